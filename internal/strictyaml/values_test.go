package strictyaml_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"edge/internal/strictyaml"

	"gopkg.in/yaml.v3"
)

func TestSecretIsNeverShown(t *testing.T) {
	type options struct {
		Open   strictyaml.Secret
		hidden strictyaml.Secret // fmt does not ask the methods of unexported fields
	}
	s := strictyaml.NewSecret("hunter2")
	for _, value := range []any{s, &s, options{s, s}, &options{s, s}, []strictyaml.Secret{s}, map[string]strictyaml.Secret{"a": s}} {
		var b bytes.Buffer
		for _, verb := range []string{"v", "+v", "#v", "s", "q", "x", "X", "d", "c", "U", "t", "e", "T", "08d"} {
			fmt.Fprintf(&b, "%"+verb+"\n", value)
		}
		fmt.Fprintln(&b, value)
		data, err := json.Marshal(value)
		if err != nil {
			t.Error(err)
		}
		b.Write(data)
		if data, err = yaml.Marshal(value); err != nil {
			t.Error(err)
		}
		b.Write(data)
		slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", value)
		slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", value)
		for _, form := range []string{"hunter2", fmt.Sprintf("%x", "hunter2"), fmt.Sprintf("%X", "hunter2"), fmt.Sprint([]byte("hunter2"))} {
			if strings.Contains(b.String(), form) {
				t.Errorf("%T shows %s in\n%s", value, form, b.String())
			}
		}
	}
	if got := fmt.Sprint(s); got != "***" {
		t.Errorf("got %q", got)
	}
}

func TestSecret(t *testing.T) {
	var unset strictyaml.Secret
	data, err := json.Marshal(unset)
	if unset.IsSet() || unset.Reveal() != "" || unset.String() != "" || string(data) != `""` || err != nil {
		t.Errorf("unset: %q %s %v", unset.String(), data, err)
	}
	a, b := strictyaml.NewSecret("a"), strictyaml.NewSecret("a")
	if !a.IsSet() || a.Reveal() != "a" || !a.Equal(b) || a.Equal(strictyaml.NewSecret("b")) || unset.Equal(strictyaml.NewSecret("")) {
		t.Error("equal")
	}
	if !reflect.DeepEqual(a, b) || reflect.DeepEqual(a, strictyaml.NewSecret("b")) {
		t.Error("reflect.DeepEqual does not see what Equal sees")
	}
}

func TestParseDuration(t *testing.T) {
	day := 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"30s": 30 * time.Second, "1m30s": 90 * time.Second, "7d": 7 * day, "1d12h": 36 * time.Hour, "1.5d": 36 * time.Hour,
		"-1d": -day, "-1d12h": -36 * time.Hour, "0": 0, "500ms": 500 * time.Millisecond, "106751d": 106751 * day,
		"106751d23h": 106751*day + 23*time.Hour, "-106751d": -106751 * day, "0d": 0,
	} {
		if got, err := strictyaml.ParseDuration(text); err != nil || got != want {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "30", "d", "1dd", "1d1d", "12h1d", "1m2d", "1h2m3d", "1d-2h", "1d+2h", "1d 2h", "1 d", "1w", "106752d", "-106752d", "106751d24h",
		"-106751d24h", "1e3d", "1d2", "99999999999999999999d", "1md", "2hd"} {
		if got, err := strictyaml.ParseDuration(text); err == nil {
			t.Errorf("%s: got %v, want an error", text, got)
		}
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1024": 1024, "100B": 100, "512KiB": 512 << 10, "64MiB": 64 << 20, "16MB": 16e6, "2GiB": 2 << 30, "1TB": 1e12,
		"9223372036854775807": math.MaxInt64, "8388607TiB": 8388607 << 40,
	} {
		if got, err := strictyaml.ParseSize(text); err != nil || got != want {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "B", "MiB", "-1", "+1", "1.5MiB", "64Mib", "64mb", "64 MiB", "64M", "1_000", "0x10", "8388608TiB", "9223372036854775808"} {
		if got, err := strictyaml.ParseSize(text); err == nil {
			t.Errorf("%s: got %v, want an error", text, got)
		}
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"client_id", "keepalive", "qos", "url", "a", "to", "topic", "topics", "receive_maximum"}
	for name, want := range map[string]string{
		"clientid": "client_id", "ClientID": "client_id", "client-id": "client_id", "keep_alive": "keepalive", "kepalive": "keepalive",
		"uri": "url", "ulr": "url", "qso": "qos", "topc": "topic", "topicss": "topics", "recieve_maximum": "receive_maximum",
		"b": "", "x": "", "": "", "password": "", "id": "", "maximum": "", strings.Repeat("a", 1000): "",
	} {
		if got := strictyaml.Suggest(name, known); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
