package sinks_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"edge/sinks"
)

func TestSettings(t *testing.T) {
	tests := []struct{ name, text, want string }{ // want: a part of the error, "" for none
		{"no kind", `retry: {max_elapsed: 1m}`, "1:1: a sink needs exactly one of mqtt, nats, http, file, stdout"},
		{"two kinds", "stdout: {}\nfile: {path: a}", "this one has file and stdout"},
		{"stdout", `stdout: {}`, ""},
		{"unknown key", `nats: {url: "nats://a:1", jet_stream: true}`, "did you mean jetstream?"},

		{"nats", `nats: {url: "nats://a:1"}`, ""},
		{"nats list", `nats: {url: ["nats://a:1", "tls://b:1"], headers: {A: b}, max_pending: 10}`, ""},
		{"nats without url", `nats: {jetstream: true}`, "url"},
		{"nats host only", `nats: {url: "localhost:4222"}`, "url wants"},
		{"nats by http", `nats: {url: "http://a"}`, "wants nats, tls, ws or wss before ://, not http"},
		{"nats two logins", `nats: {url: "nats://a", user: u, password: p, token: x}`, "set one of"},
		{"nats password alone", `nats: {url: "nats://a", password: p}`, "password needs a user"},
		{"nats max_pending", `nats: {url: "nats://a", max_pending: -1}`, "max_pending wants"},
		{"nats bad header name", `nats: {url: "nats://a", headers: {"a b": c}}`, `"a b" is no name`},
		{"nats half a certificate", `nats: {url: "nats://a", tls: {cert_file: /dev/null}}`, "cert_file needs a key_file"},

		{"http", `http: {url: "https://a/b?c=d", method: PUT, format: ndjson, gzip: true, timeout: 5s}`, ""},
		{"http with a template", `http: {url: "https://a/{{ payload.id }}"}`, "url is one for all messages"},
		{"http without host", `http: {url: "https:///b"}`, "url wants an address such as"},
		{"http by ftp", `http: {url: "ftp://a"}`, "url wants an address such as"},
		{"http fragment", `http: {url: "http://a/b#c"}`, "leave it out"},
		{"http method", `http: {url: "http://a", method: GET}`, `method wants POST, PUT, PATCH or DELETE, not "GET"`},
		{"http format", `http: {url: "http://a", format: xml}`, `format wants single, json_array or ndjson, not "xml"`},
		{"http two logins", `http: {url: "http://a", bearer_token: x, basic_auth: {username: a, password: b}}`, "set one of"},
		{"http header value", `http: {url: "http://a", headers: {A: "b\r\nC: d"}}`, "the value of header A has a control character"},

		{"file", `file: {path: a, rotate: {size: 1MiB, age: 1d, keep: 3}}`, ""},
		{"file without path", `file: {rotate: {size: 1MiB}}`, "path"},
		{"file never rotated", `file: {path: a, rotate: {keep: 3}}`, "rotate needs a size or an age"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.text)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestKindAndAddress(t *testing.T) {
	tests := []struct{ text, kind, address string }{
		{`nats: {url: "nats://a"}`, "nats", "subject"},
		{`http: {url: "http://a"}`, "http", "path"},
		{`file: {path: a}`, "file", ""},
		{`stdout: {}`, "stdout", ""},
		{`mqtt: {source: a}`, "mqtt", "topic"},
	}
	for _, tt := range tests {
		c, err := load(t, tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if c.Kind() != tt.kind || c.AddressKey() != tt.address {
			t.Errorf("%s: is %q with address %q", tt.text, c.Kind(), c.AddressKey())
		}
	}
}

func TestMissingFilesAreErrorsOfTheSettings(t *testing.T) {
	for _, text := range []string{
		`nats: {url: "nats://a", creds_file: MISSING}`,
		`nats: {url: "nats://a", nkey_file: MISSING}`,
		`nats: {url: "nats://a", tls: {ca_file: MISSING}}`,
		`http: {url: "https://a", tls: {ca_file: MISSING}}`,
		`http: {url: "https://a", tls: {cert_file: /dev/null, key_file: MISSING}}`,
		`mqtt: {url: "mqtts://a", tls: {cert_file: MISSING, key_file: /dev/null}}`,
	} {
		if _, err := load(t, text); err == nil || !strings.Contains(err.Error(), "MISSING: no such file") {
			t.Errorf("%s: got %v, want an error with the file", text, err)
		}
	}
}

func TestOpenNamesTheBadFile(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, []byte("canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := bad + ".missing"
	for _, text := range []string{
		`nats: {url: "nats://a", creds_file: BAD}`,
		`nats: {url: "nats://a", nkey_file: BAD}`,
		`nats: {url: "nats://a", tls: {ca_file: BAD}}`,
		`http: {url: "http://a", tls: {ca_file: BAD}}`,
		`http: {url: "http://a", tls: {cert_file: BAD, key_file: BAD}}`,
		`file: {path: BAD/x}`,
	} {
		text = strings.NewReplacer("BAD", bad, "MISSING", missing).Replace(text)
		c, err := load(t, text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		_, err = c.Open("out", sinks.Deps{Log: new(logs).logger()})
		if err == nil || !strings.Contains(err.Error(), bad) || !strings.Contains(err.Error(), "sink out: ") {
			t.Errorf("%s: got %v, want an error with the file", text, err)
		} else if strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error shows what is in the file: %v", text, err)
		}
	}
}
