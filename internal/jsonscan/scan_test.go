package jsonscan_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"edge/internal/jsonscan"
)

// show is a Value as the tables below write it.
func show(v jsonscan.Value) string {
	switch v.Kind {
	case jsonscan.Missing:
		return "missing"
	case jsonscan.Int:
		return fmt.Sprintf("int %d %s", v.Int(), v.Raw)
	case jsonscan.Float:
		return fmt.Sprintf("float %v %s", v.Float(), v.Raw)
	case jsonscan.String:
		return fmt.Sprintf("string %q %s", v.Text(), v.Raw)
	case jsonscan.Object:
		return "object " + string(v.Raw)
	case jsonscan.Array:
		return "array " + string(v.Raw)
	case jsonscan.True, jsonscan.False, jsonscan.Null:
		return string(v.Raw)
	}
	return "no kind"
}

// paths reads "a.b c" as the paths a.b and c; "." is the whole payload.
func paths(s string) [][]string {
	var list [][]string
	for _, path := range strings.Fields(s) {
		if path == "." {
			list = append(list, nil)
		} else {
			list = append(list, strings.Split(path, "."))
		}
	}
	return list
}

func scan(t *testing.T, want, payload string) []string {
	t.Helper()
	plan := jsonscan.NewPlan(paths(want))
	out := make([]jsonscan.Value, plan.Len())
	for i := range out {
		out[i] = jsonscan.Value{Kind: jsonscan.True, Raw: []byte("of the message before")}
	}
	if err := plan.Scan([]byte(payload), 0, out); err != nil {
		t.Fatalf("%s: %v", payload, err)
	}
	var got []string
	for _, v := range out {
		got = append(got, show(v))
	}
	return got
}

func TestScanFindsFields(t *testing.T) {
	for _, c := range []struct{ paths, payload, want string }{
		{"a", `{"a":1}`, `int 1 1`},
		{"a b", ` { "b" : "x" , "a" : true } `, `true; string "x" "x"`},
		{"a", `{"b":1}`, `missing`},
		{"a", `{}`, `missing`},
		{"a", `[{"a":1}]`, `missing`},
		{"a", `7`, `missing`},
		{"a.b.c", `{"a":{"b":{"c":null}}}`, `null`},
		{"a.b", `{"a":[{"b":1}]}`, `missing`},
		{"a.b", `{"a":null}`, `missing`},
		{"a.b", `{"b":1,"a":{"a":{"b":2},"b":3}}`, `int 3 3`},
		{"c.x c.y id", `{"c":{"x":1,"y":-2},"id":"r"}`, `int 1 1; int -2 -2; string "r" "r"`},

		// A path may begin with another, and come twice.
		{"a a.b a.b", `{"a":{"b":false}}`, `object {"b":false}; false; false`},
		{"a a.b", `{"a":5}`, `int 5 5; missing`},
		{". a .", ` {"a":[1, 2]} `, `object {"a":[1, 2]}; array [1, 2]; object {"a":[1, 2]}`},
		{".", ` "x" `, `string "x" "x"`},

		// The last of equal keys counts, with all that is in it and nothing else.
		{"a", `{"a":1,"a":2}`, `int 2 2`},
		{"a", `{"a":1,"\u0061":"x"}`, `string "x" "x"`},
		{"a.b a.c", `{"a":{"b":1,"c":2},"a":{"c":3}}`, `missing; int 3 3`},
		{"a a.b", `{"a":{"b":1},"a":7}`, `int 7 7; missing`},
		{"a.b a.b", `{"a":{"b":1},"a":7}`, `missing; missing`},
		{"a.b", `{"a":7,"a":{"b":1}}`, `int 1 1`},
		{"a.b.c a.b.d", `{"a":{"b":{"c":1},"b":{"d":2}}}`, `missing; int 2 2`},
		{"a.b.c a.b", `{"a":{"b":{"c":1}},"a":{}}`, `missing; missing`},
		{"a.b.c a.x", `{"a":{"b":{"c":1}},"a":{"x":1},"a":{"b":{"c":2}}}`, `int 2 2; missing`},

		// A key is what its escapes say.
		{"a/b", `{"a\/b":1}`, `int 1 1`},
		{"größe", `{"gr\u00f6\u00DFe":1}`, `int 1 1`},
		{"größe", `{"größe":1}`, `int 1 1`},
		{"😀", `{"\ud83d\ude00":1}`, `int 1 1`},
		{"a", `{"a\u0000":1}`, `missing`},
		{"ab", `{"a\\b":1}`, `missing`},

		// Keys that share a beginning, an end, a length.
		{"temperature_1 temperature_2 temperature", `{"temperature_2":2,"temperature":0}`, `missing; int 2 2; int 0 0`},
		{"abcdefgh abcdefghi abcdefg", `{"abcdefgh":8,"abcdefghi":9,"abcdefg":7}`, `int 8 8; int 9 9; int 7 7`},
		{"abcdefgh_1_zyxwvuts abcdefgh_2_zyxwvuts", `{"abcdefgh_2_zyxwvuts":2}`, `missing; int 2 2`},
	} {
		if got := strings.Join(scan(t, c.paths, c.payload), "; "); got != c.want {
			t.Errorf("%s in %s\n got %s\nwant %s", c.paths, c.payload, got, c.want)
		}
	}
	empty := jsonscan.NewPlan([][]string{{""}, {"", "a"}})
	out := make([]jsonscan.Value, 2)
	if err := empty.Scan([]byte(`{"":{"a":1}}`), 0, out); err != nil || show(out[1]) != "int 1 1" {
		t.Errorf("the empty key: %v, %v", show(out[1]), err)
	}
}

func TestScanReadsValues(t *testing.T) {
	for _, c := range []struct{ payload, want string }{
		{`0`, `int 0 0`},
		{`-0`, `int 0 -0`},
		{`9007199254740993`, `int 9007199254740993 9007199254740993`},
		{`9223372036854775807`, `int 9223372036854775807 9223372036854775807`},
		{`-9223372036854775808`, `int -9223372036854775808 -9223372036854775808`},
		{`9223372036854775808`, `float 9.223372036854776e+18 9223372036854775808`},
		{`-9223372036854775809`, `float -9.223372036854776e+18 -9223372036854775809`},
		{`18446744073709551617`, `float 1.8446744073709552e+19 18446744073709551617`},
		{`100000000000000000000000000000000000000001`, `float 1e+41 100000000000000000000000000000000000000001`},
		{`0.0`, `float 0 0.0`},
		{`-0.0`, `float -0 -0.0`},
		{`1e2`, `float 100 1e2`},
		{`1E+2`, `float 100 1E+2`},
		{`-12.5e-1`, `float -1.25 -12.5e-1`},
		{`12.345`, `float 12.345 12.345`},
		{`0.30000000000000004`, `float 0.30000000000000004 0.30000000000000004`},
		{`9007199254740993.0`, `float 9.007199254740992e+15 9007199254740993.0`},
		{`0.00000000000000000000001`, `float 1e-23 0.00000000000000000000001`},
		{`1e-400`, `float 0 1e-400`},
		{`1.7976931348623157e308`, `float 1.7976931348623157e+308 1.7976931348623157e308`},

		{`""`, `string "" ""`},
		{`"12345678"`, `string "12345678" "12345678"`},
		{`"\"\\\/\b\f\n\r\t"`, `string "\"\\/\b\f\n\r\t" "\"\\\/\b\f\n\r\t"`},
		{`"\u0000\u00e9\u20AC"`, `string "\x00é€" "\u0000\u00e9\u20AC"`},
		{`"\ud83d\ude00"`, `string "😀" "\ud83d\ude00"`},
		{`"\ud83d"`, `string "�" "\ud83d"`},
		{`"\ude00x"`, `string "�x" "\ude00x"`},
		{`"\ud83d\ud83d\ude00"`, `string "�😀" "\ud83d\ud83d\ude00"`},
		{`"\ud83d\u0041"`, `string "�A" "\ud83d\u0041"`},
		{`"\ud83d\n"`, `string "�\n" "\ud83d\n"`},
		{"\"\u007f\u2028 é €\"", `string "\x7f\u2028 é €" ` + "\"\u007f\u2028 é €\""},
	} {
		if got := scan(t, "a .", `{"a":`+c.payload+`}`); got[0] != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.payload, got[0], c.want)
		}
		if got := show(jsonscan.Parse([]byte("\t" + c.payload + "\r\n"))); got != c.want {
			t.Errorf("Parse(%s)\n got %s\nwant %s", c.payload, got, c.want)
		}
	}
}

func TestWhatIsNoJSON(t *testing.T) {
	for _, c := range []struct{ payload, want string }{
		{``, `0: ends too early, want a value`},
		{" \n", `2: ends too early, want a value`},
		{"\ufeff{}", `0: a byte order mark, send UTF-8 without one`},
		{`x`, `0: unexpected 'x', want a value`},
		{"\x00", `0: unexpected '\x00', want a value`},
		{`{"a":1} x`, `8: unexpected 'x', want the end`},
		{`{}{}`, `2: unexpected '{', want the end`},
		{`{"a":1,}`, `7: unexpected '}', want a key in quotes`},
		{`{,}`, `1: unexpected ',', want a key in quotes`},
		{`{a:1}`, `1: unexpected 'a', want a key in quotes`},
		{`{'a':1}`, `1: unexpected '\'', want a key in quotes`},
		{`{"a" 1}`, `5: unexpected '1', want ':'`},
		{`{"a":}`, `5: unexpected '}', want a value`},
		{`{"a":1 "b":2}`, `7: unexpected '"', want ',' or '}'`},
		{`{"a":1]`, `6: unexpected ']', want ',' or '}'`},
		{`{"a":1`, `6: ends too early, want ',' or '}'`},
		{`{"a":`, `5: ends too early, want a value`},
		{`{"a"`, `4: ends too early, want ':'`},
		{`{`, `1: ends too early, want a key in quotes`},
		{`[1,]`, `3: unexpected ']', want a value`},
		{`[1 2]`, `3: unexpected '2', want ',' or ']'`},
		{`[1`, `2: ends too early, want ',' or ']'`},
		{`[1}`, `2: unexpected '}', want ',' or ']'`},
		{`nul`, `3: ends too early, want null`},
		{`trUe`, `2: unexpected 'U', want true`},
		{`falsey`, `5: unexpected 'y', want the end`},
		{`NaN`, `0: unexpected 'N', want a value`},
		{`-Infinity`, `1: unexpected 'I', want a digit`},
		{`01`, `0: a number with a leading 0`},
		{`-01`, `1: a number with a leading 0`},
		{`+1`, `0: unexpected '+', want a value`},
		{`.5`, `0: unexpected '.', want a value`},
		{`5.`, `2: ends too early, want a digit`},
		{`5.e1`, `2: unexpected 'e', want a digit`},
		{`1e`, `2: ends too early, want a digit`},
		{`1e+ `, `3: unexpected ' ', want a digit`},
		{`0x1`, `1: unexpected 'x', want the end`},
		{`-`, `1: ends too early, want a digit`},
		{`[1e400]`, `1: a number beyond the range of a float64`},
		{`[-` + strings.Repeat("9", 310) + `]`, `1: a number beyond the range of a float64`},
		{`"a`, `2: ends too early, want '"'`},
		{`"a long string without an end`, `29: ends too early, want '"'`},
		{`"a` + "\n" + `"`, `2: a control character in a string, write it as \u000a`},
		{`"eleven bytes` + "\x1f" + ` and more"`, `13: a control character in a string, write it as \u001f`},
		{`"\`, `2: ends too early, want an escape`},
		{`"\x41"`, `2: unexpected 'x', want an escape`},
		{`"\u12"`, `5: unexpected '"', want a hex digit`},
		{`"\u12`, `5: ends too early, want a hex digit`},
		{`"\u12g4"`, `5: unexpected 'g', want a hex digit`},
		{"\"ab\xffc\"", `3: invalid UTF-8`},
		{"\"\xc0\xaf\"", `1: invalid UTF-8`},
		{"\"\xed\xa0\x80 half a pair\"", `1: invalid UTF-8`},
		{"\"cut off \xe2\x82\"", `9: invalid UTF-8`},
		{"\"\\n after an escape \xff\"", `20: invalid UTF-8`},
		{"{\"\xff\":1}", `2: invalid UTF-8`},
		{"[\xff]", `1: unexpected byte 0xff, want a value`},
		{"[1,\u00a02]", `3: unexpected byte 0xc2, want a value`},
		{`// comment`, `0: unexpected '/', want a value`},
	} {
		want := "not JSON at byte " + c.want
		err := jsonscan.Valid([]byte(c.payload), 0)
		if err == nil || err.Error() != want {
			t.Errorf("%q\n got %v\nwant %s", c.payload, err, want)
		}
		if errors.Is(err, jsonscan.ErrDepth) {
			t.Errorf("%q: is said to be too deep", c.payload)
		}
		if syntax := new(jsonscan.SyntaxError); !errors.As(err, &syntax) || !strings.HasPrefix(c.want, fmt.Sprint(syntax.Offset, ":")) {
			t.Errorf("%q: not a SyntaxError with that offset: %v", c.payload, err)
		}

		// The same where a field is wanted, before or behind the mistake: then none is found.
		for _, p := range []string{". a", "a.b.c", "b"} {
			plan, out := jsonscan.NewPlan(paths(p)), make([]jsonscan.Value, 2)
			if err := plan.Scan([]byte(c.payload), 0, out); err == nil || err.Error() != want {
				t.Errorf("%q with %s\n got %v\nwant %s", c.payload, p, err, want)
			}
			if show(out[0]) != "missing" || show(out[1]) != "missing" {
				t.Errorf("%q with %s: found %s, %s", c.payload, p, show(out[0]), show(out[1]))
			}
		}
	}
}

func TestDepth(t *testing.T) {
	nested := func(n int) string { return strings.Repeat(`[{"a":`, n/2) + "1" + strings.Repeat("}]", n/2) }
	for _, c := range []struct {
		deep, limit int
		ok          bool
	}{
		{64, 0, true}, {66, 0, false}, {64, -1, true},
		{4, 4, true}, {4, 3, false}, {2, 2, true}, {2, 1, false},
		{10_000, 10_000, true}, {10_002, 1 << 30, false}, {2_000_000, 1 << 30, false},
	} {
		for _, p := range []string{"", ".", "a.a", "a"} {
			plan := jsonscan.NewPlan(paths(p))
			err := plan.Scan([]byte(nested(c.deep)), c.limit, make([]jsonscan.Value, 1))
			if (err == nil) != c.ok || errors.Is(err, jsonscan.ErrDepth) == c.ok {
				t.Errorf("%d deep, limit %d, paths %q: %v", c.deep, c.limit, p, err)
			}
		}
	}
	deep := `{"a":{"a":{"a":{}}}}`
	plan, out := jsonscan.NewPlan(paths("a.a.a")), make([]jsonscan.Value, 1)
	if err := plan.Scan([]byte(deep), 4, out); err != nil {
		t.Error(err)
	}
	err := plan.Scan([]byte(deep), 3, out)
	if want := "not JSON at byte 15: nested deeper than 3"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := jsonscan.Valid([]byte(strings.Repeat("[", 5_000_000)), 1<<30); !errors.Is(err, jsonscan.ErrDepth) {
		t.Errorf("five million brackets: %v", err)
	}
}

// A plan as large as that of a thousand rules still finds each of its fields, and nothing else.
func TestScanManyPaths(t *testing.T) {
	many := numbered(1000)
	for i := range 30 { // and with more objects than a scanner has room for
		many = append(many, []string{fmt.Sprint("o", i), "x", "y"})
	}
	var payload strings.Builder
	payload.WriteString(`{"other":0`)
	for i, path := range many {
		if i < 1000 {
			fmt.Fprintf(&payload, `,"%s":%d,"%[1]s_":0`, path[0], i)
		} else {
			fmt.Fprintf(&payload, `,"%s":{"x":{"y":-1}},"%[1]s":{"x":{"y":%d}}`, path[0], i)
		}
	}
	payload.WriteString("}")
	plan := jsonscan.NewPlan(many)
	out := make([]jsonscan.Value, plan.Len())
	for range 2 { // what the first scan leaves behind is no part of the second
		if err := plan.Scan([]byte(payload.String()), 0, out); err != nil {
			t.Fatal(err)
		}
		for i := range many {
			if out[i].Kind != jsonscan.Int || out[i].Int() != int64(i) {
				t.Fatalf("%v is %s", many[i], show(out[i]))
			}
		}
		if err := plan.Scan([]byte(`{"o29":{"x":{"y":1}},"o29":{}}`), 0, out); err != nil || out[len(out)-1].Kind != jsonscan.Missing {
			t.Fatalf("an earlier value shows through: %s, %v", show(out[len(out)-1]), err)
		}
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	payload, list := []byte(robot), append(eight, numbered(20)...)
	for i := range 20 {
		list = append(list, []string{fmt.Sprint("o", i), "x"})
	}
	for _, p := range [][][]string{nil, eight, list[:28]} {
		plan, out := jsonscan.NewPlan(p), make([]jsonscan.Value, len(p))
		if n := testing.AllocsPerRun(100, func() {
			if err := plan.Scan(payload, 0, out); err != nil {
				t.Error(err)
			}
			for _, v := range out {
				_ = v.Text()
			}
		}); n != 0 {
			t.Errorf("%v allocations with %d paths", n, len(p))
		}
	}
}

func TestLanesShareAPlan(t *testing.T) {
	list := append([][]string{{"v", "x"}}, numbered(3)...)
	for i := range 20 {
		list = append(list, []string{fmt.Sprint("o", i), "x"})
	}
	plan := jsonscan.NewPlan(list)
	var lanes sync.WaitGroup
	for lane := range 4 {
		lanes.Go(func() {
			out := make([]jsonscan.Value, plan.Len())
			payload := fmt.Appendf(nil, `{"o19":{"x":0},"v":{"x":0},"v":{"x":%d}}`, lane)
			for range 1000 {
				if err := plan.Scan(payload, 0, out); err != nil || out[0].Int() != int64(lane) {
					t.Errorf("lane %d found %s, %v", lane, show(out[0]), err)
					return
				}
			}
		})
	}
	lanes.Wait()
}

// What a caller appends to a value does not run into the payload behind it.
func TestRawEndsWhereItEnds(t *testing.T) {
	payload := []byte(`{"a":1,"b":2}`)
	plan, out := jsonscan.NewPlan(paths("a .")), make([]jsonscan.Value, 2)
	if err := plan.Scan(payload, 0, out); err != nil {
		t.Fatal(err)
	}
	_ = append(out[0].Raw, '!')
	_ = append(jsonscan.Get(payload, "a").Raw, '!')
	if string(payload) != `{"a":1,"b":2}` {
		t.Errorf("the payload is now %s", payload)
	}
}
