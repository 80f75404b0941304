"""requests or httpx, whichever is named: posts the cases, and prints what raise_for_status raises."""
import importlib, json, sys, time

library = importlib.import_module(sys.argv[1])


def slowly(body):
    yield body[: len(body) // 2]
    time.sleep(1)
    yield body[len(body) // 2 :]


def post(url, ca, certificate, key, host, body, slow):
    headers = {"content-type": "application/x-www-form-urlencoded", **({"host": host} if host else {})}
    own = (certificate, key) if certificate else None
    content = slowly(body.encode()) if slow else body.encode()
    if library.__name__ == "requests":
        answer = library.post(url, data=content, headers=headers, verify=ca, cert=own)
    else:
        import ssl

        context = ssl.create_default_context(cafile=ca)
        if own:
            context.load_cert_chain(*own)
        answer = library.post(url, content=content, headers=headers, verify=context)
    answer.raise_for_status()
    return f"{answer.status_code} {answer.text}"


for line in open(sys.argv[2]):
    *request, times = line.rstrip("\n").split("\t")
    for _ in range(int(times)):
        try:
            said = post(*request)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        print(json.dumps(said), flush=True)
