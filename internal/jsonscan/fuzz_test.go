package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"edge/internal/jsonscan"
)

// reference is what payload says by encoding/json, with numbers as Decode has them; false where that, or
// our rule that text is UTF-8, refuses it.
func reference(payload []byte) (any, bool) {
	var v any
	if !utf8.Valid(payload) || json.Unmarshal(payload, &v) != nil {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil, false
	}
	return numbers(v), true
}

func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if !strings.ContainsAny(v.String(), ".eE") {
			if i, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
				return i
			}
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	}
	return v
}

func follow(v any, path []string) (any, bool) {
	for _, key := range path {
		object, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = object[key]; !ok {
			return nil, false
		}
	}
	return v, true
}

// same holds a Value, and what can be got out of its Raw, against what it should be.
func same(t *testing.T, v jsonscan.Value, want any) {
	t.Helper()
	ok := false
	switch want := want.(type) {
	case nil:
		ok = v.Kind == jsonscan.Null
	case bool:
		ok = v.Kind == map[bool]jsonscan.Kind{true: jsonscan.True, false: jsonscan.False}[want]
	case int64:
		ok = v.Kind == jsonscan.Int && v.Int() == want
	case float64:
		ok = v.Kind == jsonscan.Float && math.Float64bits(v.Float()) == math.Float64bits(want)
	case string:
		ok = v.Kind == jsonscan.String && v.Text() == want && v.Escaped == bytes.ContainsRune(v.Raw, '\\')
	case []any:
		ok = v.Kind == jsonscan.Array && jsonscan.Len(v.Raw) == len(want)
		jsonscan.Each(v.Raw, func(i int, e jsonscan.Value) bool {
			ok = ok && i < len(want) && reflect.DeepEqual(jsonscan.Decode(e.Raw), want[i])
			return ok
		})
		for _, i := range []int{0, len(want) - 1} {
			if len(want) > 0 {
				ok = ok && reflect.DeepEqual(jsonscan.Decode(jsonscan.Index(v.Raw, i).Raw), want[i])
				ok = ok && reflect.DeepEqual(jsonscan.Decode(jsonscan.Index(v.Raw, i-len(want)).Raw), want[i])
			}
		}
	case map[string]any:
		ok = v.Kind == jsonscan.Object && jsonscan.Len(v.Raw) == len(want)
		jsonscan.EachKey(v.Raw, func(key string, rawKey []byte, _ jsonscan.Value) bool {
			e, there := want[key]
			got := jsonscan.Get(v.Raw, key)
			ok = ok && there && jsonscan.Decode(rawKey) == key && reflect.DeepEqual(jsonscan.Decode(got.Raw), e)
			return ok
		})
	}
	if !ok {
		t.Errorf("%s is %s, want %#v", v.Raw, show(v), want)
	}
	if got := jsonscan.Decode(v.Raw); !reflect.DeepEqual(got, want) {
		t.Errorf("%s decodes to %#v, want %#v", v.Raw, got, want)
	}
	if p := jsonscan.Parse(v.Raw); !reflect.DeepEqual(p, v) {
		t.Errorf("%s parses to %s, scanned %s", v.Raw, show(p), show(v))
	}
}

// FuzzScan holds all that reads against encoding/json: the same payloads accepted, the same values found.
// fields are the wanted ones, one a line, with a slash between keys.
func FuzzScan(f *testing.F) {
	for _, seed := range []struct{ payload, fields string }{
		{robot, "id\nbattery\ncoordinates\ncoordinates/x\ncoordinates/y\nnone"},
		{`{"a":{"b":1},"a":{"c":[1,-0,1.5e3,{"d":null}]}}`, "a/b\na/c\na\na/c/d"},
		{`{"a":{"b":{"c":1}},"a":2,"\u0061":{"b":{}}}`, "a/b/c\na/b\na/b/c"},
		{`["\ud83d\ude00\ud83d x",true,false,1e400,18446744073709551616]`, "a"},
		{" [[[[]]], \"\u2028é\xff\" ] ", ""},
		{`{"abcdefgh":12345.678901,"abcdefghi":1E-9,"":0.30000000000000004}`, "abcdefgh\nabcdefghi\n\nabcdefg"},
		{"\ufeff{}", "a"},
		{`{"a":-9223372036854775808,"b":9223372036854775808,"c":-0.0}`, "a\nb\nc"},
	} {
		f.Add([]byte(seed.payload), seed.fields)
	}
	f.Fuzz(func(t *testing.T, payload []byte, fields string) {
		list := [][]string{nil}
		for line := range strings.SplitSeq(fields, "\n") {
			list = append(list, strings.Split(line, "/"))
		}
		before := bytes.Clone(payload)
		out := make([]jsonscan.Value, len(list))
		err := jsonscan.NewPlan(list).Scan(payload, 10_000, out)
		if valid := jsonscan.Valid(payload, 10_000); (valid == nil) != (err == nil) || err != nil && valid.Error() != err.Error() {
			t.Fatalf("%q: Valid says %v, Scan says %v", payload, valid, err)
		}
		want, ok := reference(payload)
		if ok != (err == nil) {
			t.Fatalf("%q: encoding/json accepts it: %v; we say: %v", payload, ok, err)
		}
		if !ok { // then these find what they find, but do not panic
			jsonscan.Decode(payload)
			jsonscan.Len(payload)
			jsonscan.Get(payload, "a")
			jsonscan.Index(payload, -1)
			_ = jsonscan.Parse(payload).Text()
			return
		}
		for i, path := range list {
			if v, there := follow(want, path); there {
				same(t, out[i], v)
			} else if out[i].Kind != jsonscan.Missing {
				t.Errorf("%q: %q is %s, want missing", payload, path, show(out[i]))
			}
		}
		written, err := jsonscan.AppendValue(nil, want)
		if err != nil {
			t.Fatal(err)
		}
		if again, ok := reference(written); !ok || !equal(again, want) {
			t.Errorf("%q is written %q", payload, written)
		}
		if !bytes.Equal(payload, before) {
			t.Errorf("%q was changed to %q", before, payload)
		}
	})
}

// equal is DeepEqual but for 3.0, which is written 3 and so read as an integer.
func equal(a, b any) bool {
	switch b := b.(type) {
	case float64:
		i, ok := a.(int64)
		return a == any(b) || ok && float64(i) == b
	case []any:
		list, ok := a.([]any)
		if !ok || len(list) != len(b) {
			return false
		}
		for i := range b {
			if !equal(list[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		object, ok := a.(map[string]any)
		if !ok || len(object) != len(b) {
			return false
		}
		for k := range b {
			if v, there := object[k]; !there || !equal(v, b[k]) {
				return false
			}
		}
		return true
	}
	return a == b
}

// FuzzAppendString holds it against encoding/json byte for byte, and reads it back.
func FuzzAppendString(f *testing.F) {
	for _, seed := range []string{"", "robot", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "<&>\u2028\u2029", "é€😀", "\xff\xc0\xaf\xed\xa0\x80", "\ufffd"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := jsonscan.AppendString(nil, s)
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode(s); err != nil {
			t.Fatal(err)
		}
		if string(got) != strings.TrimSuffix(want.String(), "\n") {
			t.Errorf("%q is written %s, by encoding/json %s", s, got, want.String())
		}
		if err := jsonscan.Valid(got, 0); err != nil {
			t.Errorf("%q is written %q: %v", s, got, err)
		}
		if back := jsonscan.Parse(got).Text(); back != string([]rune(s)) {
			t.Errorf("%q comes back as %q", s, back)
		}
	})
}

// FuzzAppendFloat holds it against encoding/json byte for byte; decimals with few digits have a way of
// their own, so f is tried rounded too.
func FuzzAppendFloat(f *testing.F) {
	for _, seed := range []float64{0, 1, -1.5, 12.345, 0.1, 1e-6, 1e-7, 1e21, 1 << 53, 999999999.9999995, math.Pi, 5e-324} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, x float64) {
		for _, x := range []float64{x, math.Round(x), math.Round(x*1e3) / 1e3, math.Round(x*1e6) / 1e6, math.Nextafter(math.Round(x*1e3)/1e3, 0)} {
			got, ok := jsonscan.AppendFloat(nil, x)
			want, err := json.Marshal(x)
			if ok != (err == nil) || ok && string(got) != string(want) {
				t.Errorf("%v is written %s, by encoding/json %s", x, got, want)
			}
		}
	})
}
