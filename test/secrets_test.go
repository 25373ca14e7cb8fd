package test

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"edge/internal/brokertest"
)

// TestSecretsAreShownNowhere puts a word that is nowhere else in each place for a secret, at servers that refuse
// them, and some of which answer with what they were sent. The log, at its most talkative, the metrics, the API and
// the dead letters must not have it.
func TestSecretsAreShownNowhere(t *testing.T) {
	random := rand.Text()
	n := 0
	var secrets []string
	secret := func() string {
		n++
		s := fmt.Sprintf("canary-%s-%d", random, n)
		secrets = append(secrets, s)
		return s
	}
	asked := make(chan string, 1000) // what a server was sent
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		select {
		case asked <- r.URL.Path:
		default:
		}
		code := http.StatusServiceUnavailable
		if strings.HasSuffix(r.URL.Path, "/never") {
			code = http.StatusUnauthorized
		}
		w.WriteHeader(code)
		fmt.Fprintf(w, "%s %s %v %s", r.Method, r.URL.Path, r.Header, body)
	}))
	defer echo.Close()
	refuses := mosquitto(t, "allow_anonymous false", "password_file "+brokertest.PasswordFile(t, "u", "another"))
	opens := mosquitto(t)
	locked, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, Authorization: "another", NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	locked.Start()
	t.Cleanup(func() { stopNATS(locked) })
	if !locked.ReadyForConnections(patience) {
		t.Fatal("the NATS server does not start")
	}
	nats := strings.TrimPrefix(locked.ClientURL(), "nats://")
	web := strings.TrimPrefix(echo.URL, "http://")
	nobody := brokertest.FreePort(t)

	config := fmt.Sprintf(`
sources:
  in: {mqtt: {url: %q, client_id: edge, user_properties: {key: %q}}}
  a1: {mqtt: {url: %q, client_id: a1, username: u, password: %q, topics: ["x"]}}
  a2: {mqtt: {url: %q, client_id: a2, username: u, password_file: password, topics: ["x"]}}
sinks:
`, opens.URL(), "shown", refuses.URL(), secret(), refuses.URL())
	password := secret()
	var names []string
	sink := func(format string, args ...any) {
		name := fmt.Sprintf("s%d", len(names))
		names = append(names, name)
		config += "  " + name + ": " + fmt.Sprintf(format, args...) + "\n"
	}
	sink(`{mqtt: {url: %q, client_id: s1, username: u, password: "${SECRET}"}}`, refuses.URL())
	env := secret()
	sink(`{mqtt: {url: "mqtt://127.0.0.1:%d", client_id: s2, username: u, password: %q}}`, nobody, secret())
	sink(`{nats: {url: "nats://user:%s@%s"}}`, secret(), nats)
	sink(`{nats: {url: "nats://%s@%s", jetstream: true}}`, secret(), nats)
	sink(`{nats: {url: %q, token: %q}}`, locked.ClientURL(), secret())
	sink(`{nats: {url: %q, user: u, password: %q}}`, locked.ClientURL(), secret())
	sink(`{nats: {url: "nats://user:%s@127.0.0.1:%d", headers: {X-Key: %q}}}`, secret(), nobody, secret())
	sink(`{http: {url: "http://user:%s@%s/never"}}`, secret(), web)
	sink(`{http: {url: "http://%s/never", bearer_token: %q}}`, web, secret())
	sink(`{http: {url: "http://%s/never", basic_auth: {username: u, password: %q}}}`, web, secret())
	sink(`{http: {url: "http://%s/never", headers: {X-Api-Key: %q}}}`, web, secret())
	sink(`{http: {url: "http://%s/later?key=%s", bearer_token_file: token}}`, web, secret())
	token := secret()
	sink(`{http: {url: "http://user:%s@127.0.0.1:%d/x?key=%s"}}`, secret(), nobody, secret())
	sink(`{http: {url: "https://user:%s@%s/x?key=%s"}}`, secret(), web, secret()) // no TLS there
	sink(`{file: {path: dead.jsonl}}`)
	dead := names[len(names)-1]
	b := newBox(t, config, strings.Replace(rule(`{to: [`+strings.Join(names[:len(names)-1], ", ")+`], subject: x, topic: x}`), "    headers:", "    on_error: {to: "+dead+"}\n    headers:", 1))
	b.overwrite("password", password)
	b.overwrite("token", token)
	b.env = []string{"SECRET=" + env}
	for i, s := range secrets { // in the headers of HTTP they look like this
		secrets = append(secrets, base64.StdEncoding.EncodeToString([]byte("user:"+s)), base64.StdEncoding.EncodeToString([]byte("u:"+s)))
		_ = i
	}
	b.launch()
	b.runs()
	c := brokertest.Dial(t, opens.Addr())
	b.until("the source is subscribed", func() bool { return b.metric(`edge_source_subscribed{source="in"}`) == 1 })
	c.Publish(topicOf(0), payloadOf(0, 0), 1)
	b.until("four answers are final", func() bool { return strings.Count(b.read("dead.jsonl"), "\n") == 4 })
	waitFor(t, "each of the others has failed", func() bool {
		for _, name := range names[:len(names)-1] {
			if b.metric(`edge_sink_up{sink="`+name+`"}`) != 0 && b.metric(`edge_sink_rejected_total{sink="`+name+`"}`) == 0 {
				return false
			}
		}
		return b.metric(`edge_source_connected{source="a1"}`) == 0
	})
	said := func() (said string) {
		for _, path := range []string{"/metrics", "/v1/config", "/v1/rules", "/readyz", "/healthz", "/"} {
			_, body := b.get(path)
			said += path + ":\n" + body
		}
		return said
	}
	shown := said()
	// An edge.yaml with an error beside each secret, and one with the addresses broken.
	b.write("edge.yaml", strings.ReplaceAll(config, ", client_id", ", clientid")+common)
	b.until("the error is shown", func() bool { return b.config().Error != nil })
	shown += said()
	b.write("edge.yaml", strings.NewReplacer("nats://", "natz://", "http://", "htp://", "mqtt://", "mqt://", "https://", "x://").Replace(config)+common)
	b.until("the other error is shown", func() bool { _, body := b.get("/v1/config"); return strings.Contains(body, "such as http") })
	shown += said()
	out, _ := lint(b.path("edge.yaml"), b.path("rules"))
	shown += "lint:\n" + out
	b.stop()
	shown += "log:\n" + b.log.String() + "dead letters:\n" + b.read("dead.jsonl")
	for _, s := range secrets {
		if at := strings.Index(shown, s); at >= 0 {
			t.Errorf("secret %s is shown: …%s…", s, shown[max(0, at-300):min(len(shown), at+100)])
		}
	}
	if len(asked) == 0 {
		t.Error("the HTTP server was never asked")
	}
	// What edge keeps for a start with bad files has them too, so only its owner may read it.
	info, err := os.Stat(b.path("state/last-good.json"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("last-good.json has mode %v", info.Mode())
	}
}
