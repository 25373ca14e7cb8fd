package jsonscan_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"edge/internal/jsonscan"
)

func TestAppendString(t *testing.T) {
	for _, c := range []struct{ s, want string }{
		{"", `""`},
		{"robot-0042", `"robot-0042"`},
		{`a"b\c/d`, `"a\"b\\c/d"`},
		{"\b\f\n\r\t", `"\b\f\n\r\t"`},
		{"\x00\x1f\x7f", `"\u0000\u001f` + "\x7f" + `"`},
		{"<a href='x'>&", `"<a href='x'>&"`},
		{"größe 😀", `"größe 😀"`},
		{"\u2028\u2029", `"\u2028\u2029"`},
		{"a\xffb\xe2\x82", `"a\ufffdb\ufffd\ufffd"`},
		{"\ufffd is itself", `"` + "\ufffd" + ` is itself"`},
	} {
		if got := string(jsonscan.AppendString([]byte("> "), c.s)); got != "> "+c.want {
			t.Errorf("%q: %s, want %s", c.s, got, c.want)
		}
	}
}

func TestAppendFloat(t *testing.T) {
	for _, c := range []struct {
		f    float64
		want string
	}{
		{0, "0"}, {math.Copysign(0, -1), "-0"}, {3, "3"}, {-3, "-3"}, {1e20, "100000000000000000000"}, {1e21, "1e+21"},
		{1 << 53, "9007199254740992"}, {1<<53 - 1, "9007199254740991"},
		{0.5, "0.5"}, {-0.5, "-0.5"}, {12.345, "12.345"}, {-7.25, "-7.25"}, {1.01, "1.01"}, {0.001, "0.001"}, {100.010, "100.01"},
		{12.345678, "12.345678"}, {0.000001, "0.000001"}, {0.0000015, "0.0000015"}, {1e-7, "1e-7"}, {-1.5e-10, "-1.5e-10"}, {1e-100, "1e-100"}, {2e-300, "2e-300"}, {5e-324, "5e-324"},
		{0.30000000000000004, "0.30000000000000004"}, {1.0 / 3, "0.3333333333333333"}, {math.Pi, "3.141592653589793"},
		{999999999.999, "999999999.999"}, {999999999.999999, "999999999.999999"}, {123456789012.345, "123456789012.345"},
		{math.MaxFloat64, "1.7976931348623157e+308"}, {0.9999999, "0.9999999"}, {math.Nextafter(1e-6, 0), "9.999999999999997e-7"},
	} {
		got, ok := jsonscan.AppendFloat([]byte("> "), c.f)
		if !ok || string(got) != "> "+c.want {
			t.Errorf("%v: %s, want %s", c.f, got, c.want)
		}
	}
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if got, ok := jsonscan.AppendFloat([]byte("> "), f); ok || string(got) != "> " {
			t.Errorf("%v: %s", f, got)
		}
	}
}

func TestAppendInt(t *testing.T) {
	for i, want := range map[int64]string{0: "0", -7: "-7", math.MaxInt64: "9223372036854775807", math.MinInt64: "-9223372036854775808"} {
		if got := string(jsonscan.AppendInt([]byte("> "), i)); got != "> "+want {
			t.Errorf("%d: %s", i, got)
		}
	}
}

func TestAppendValue(t *testing.T) {
	big := map[string]any{}
	for c := 'z'; c >= 'a'; c-- {
		big[string(c)] = nil
	}
	for _, c := range []struct {
		v    any
		want string
	}{
		{nil, `null`}, {true, `true`}, {false, `false`}, {-7, `-7`}, {int64(1) << 62, `4611686018427387904`}, {2.50, `2.5`}, {"a\n", `"a\n"`},
		{[]any{}, `[]`}, {[]any(nil), `[]`}, {map[string]any{}, `{}`}, {map[string]any(nil), `{}`},
		{[]any{1, []any{"a"}, nil}, `[1,["a"],null]`},
		{map[string]any{"b": 1, "a": map[string]any{"\"": 2.0}, "": true}, `{"":true,"a":{"\"":2},"b":1}`},
		{map[string]any{"raw": jsonscan.Raw(`{"b": 1e2, "a": 0.0}`), "none": jsonscan.Raw(nil)}, `{"none":null,"raw":{"b": 1e2, "a": 0.0}}`},
		{big, `{"a":null,"b":null,"c":null,"d":null,"e":null,"f":null,"g":null,"h":null,"i":null,"j":null,"k":null,"l":null,"m":null,` +
			`"n":null,"o":null,"p":null,"q":null,"r":null,"s":null,"t":null,"u":null,"v":null,"w":null,"x":null,"y":null,"z":null}`},
	} {
		got, err := jsonscan.AppendValue([]byte("> "), c.v)
		if err != nil || string(got) != "> "+c.want {
			t.Errorf("%v: %s, %v, want %s", c.v, got, err, c.want)
		}
	}
}

func TestAppendValueRefuses(t *testing.T) {
	loop := []any{nil}
	loop[0] = loop
	for _, c := range []struct {
		v    any
		want string
	}{
		{math.NaN(), "JSON has no NaN"},
		{[]any{1, map[string]any{"a": math.Inf(-1)}}, "JSON has no -Inf"},
		{[]any{time.Second}, "a Go time.Duration has no form in JSON"},
		{map[string]any{"a": []string{"b"}}, "a Go []string has no form in JSON"},
		{loop, "nested too deep"},
	} {
		got, err := jsonscan.AppendValue([]byte("> "), c.v)
		if err == nil || err.Error() != c.want || string(got) != "> " {
			t.Errorf("want %s, got %v and %.40s", c.want, err, got)
		}
	}
	if _, err := jsonscan.AppendValue(nil, loop); !errors.Is(err, jsonscan.ErrDepth) {
		t.Errorf("a list in itself: %v", err)
	}
}
