#!/usr/bin/env bash
# Brings Keycloak from Maven Central and builds the Spring Authorization Server program, into target/interop-jvm or
# INTEROP_JVM_DIR. Ends with 0 once both are there, and with 3 where there is no JDK, no Maven, or no way to Maven Central.
set -euo pipefail
cd "$(dirname "$0")"
prepared="${INTEROP_JVM_DIR:-$PWD/../../target/interop-jvm}"
keycloak=26.7.3
mkdir -p "$prepared"
prepared=$(cd "$prepared" && pwd)

command -v javac >/dev/null && command -v mvn >/dev/null || exit 3
maven() { timeout 600 mvn --batch-mode --quiet -Dstyle.color=never "$@"; }
dependency=org.apache.maven.plugins:maven-dependency-plugin:3.8.1
zip="org.keycloak:keycloak-quarkus-dist:$keycloak:zip"
# Into Maven's own repository, where the next run finds it.
maven "$dependency:get" -Dartifact="$zip" -Dtransitive=false || exit 3

ready="$prepared/keycloak/ready-$keycloak-client-auth"
if [ ! -e "$ready" ]; then
  # With the marks of the plugin, by which it would not unpack the same version again.
  rm -rf "$prepared/keycloak" "$prepared/keycloak-$keycloak" "$prepared/\${project.basedir}"
  # In that folder, since the plugin leaves its own marks where it runs.
  (cd "$prepared" && maven "$dependency:unpack" -Dartifact="$zip" -DoutputDirectory=.)
  mv "$prepared/keycloak-$keycloak" "$prepared/keycloak"
  # What Keycloak calls an optimised image: these options are fixed, so that a start does not build it once more.
  JAVA_OPTS_APPEND=-XX:TieredStopAtLevel=1 bash "$prepared/keycloak/bin/kc.sh" build --db=dev-mem --cache=local --spi-x509cert-lookup--provider=rfc9440 --https-client-auth=required >/dev/null
  touch "$ready"
fi
maven -f spring/pom.xml -DprepareTo="$prepared/spring" compile
