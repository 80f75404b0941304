// Posts the cases with Go's net/http, and prints the answers and errors.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// The second half of its body comes too late.
type slow struct {
	halves []string
}

func (body *slow) Read(into []byte) (int, error) {
	if len(body.halves) == 0 {
		return 0, io.EOF
	}
	if len(body.halves) == 1 {
		time.Sleep(time.Second)
	}
	read := copy(into, body.halves[0])
	body.halves = body.halves[1:]
	return read, nil
}

func post(fields []string) (string, error) {
	url, ca, certificate, key, host, text := fields[0], fields[1], fields[2], fields[3], fields[4], fields[5]
	pem, err := os.ReadFile(ca)
	if err != nil {
		return "", err
	}
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM(pem)
	if certificate != "" {
		own, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			return "", err
		}
		config.Certificates = []tls.Certificate{own}
	}
	var body io.Reader = strings.NewReader(text)
	if fields[6] != "" {
		body = &slow{[]string{text[:len(text)/2], text[len(text)/2:]}}
	}
	request, err := http.NewRequest("POST", url, body)
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Host = host
	client := http.Client{Transport: &http.Transport{TLSClientConfig: config}}
	answer, err := client.Do(request)
	if err != nil {
		return "", err
	}
	content, err := io.ReadAll(answer.Body)
	return fmt.Sprint(answer.StatusCode, " ", string(content)), err
}

func main() {
	cases, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(cases)), "\n") {
		fields := strings.Split(line, "\t")
		times, _ := strconv.Atoi(fields[7])
		for range times {
			said, err := post(fields)
			if err != nil {
				said = err.Error()
			}
			printed, _ := json.Marshal(said)
			fmt.Println(string(printed))
		}
	}
}
