package jsonscan_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"edge/internal/jsonscan"
)

func TestGet(t *testing.T) {
	for _, c := range []struct{ raw, key, want string }{
		{`{"a":1,"b":{"a":2}}`, "b", `object {"a":2}`},
		{` { "a" : [ 1 ] , "b" : 2 } `, "a", `array [ 1 ]`},
		{`{"a":1,"a":2}`, "a", `int 2 2`},
		{`{"a":1,"\u0061":"\n"}`, "a", `string "\n" "\n"`},
		{`{"a":1}`, "b", `missing`},
		{`{"":1}`, "", `int 1 1`},
		{`{}`, "a", `missing`},
		{`["a",1]`, "a", `missing`},
		{`null`, "a", `missing`},
		{``, "a", `missing`},
	} {
		if got := show(jsonscan.Get([]byte(c.raw), c.key)); got != c.want {
			t.Errorf("%s of %s is %s, want %s", c.key, c.raw, got, c.want)
		}
	}
}

func TestIndex(t *testing.T) {
	for _, c := range []struct {
		raw  string
		i    int
		want string
	}{
		{`[10,[20],"30"]`, 0, `int 10 10`},
		{` [ 10 , [ 20 ] ] `, 1, `array [ 20 ]`},
		{`[10,[20],"30"]`, -1, `string "30" "30"`},
		{`[10,[20],"30"]`, -3, `int 10 10`},
		{`[10,[20],"30"]`, 3, `missing`},
		{`[10,[20],"30"]`, -4, `missing`},
		{`[]`, 0, `missing`},
		{`[]`, -1, `missing`},
		{`{"0":1}`, 0, `missing`},
		{`"text"`, 0, `missing`},
	} {
		if got := show(jsonscan.Index([]byte(c.raw), c.i)); got != c.want {
			t.Errorf("%s[%d] is %s, want %s", c.raw, c.i, got, c.want)
		}
	}
}

func TestLen(t *testing.T) {
	var many strings.Builder
	for i := range 300 {
		fmt.Fprintf(&many, `"k%d":0,`, i%100)
	}
	distinct := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"k%d":0`, i)
		}
		return "{" + b.String()[1:] + "}"
	}
	for _, c := range []struct {
		raw  string
		want int
	}{
		{distinct(24), 24}, {distinct(25), 25}, {distinct(26), 26},
		{`[]`, 0}, {` [ ] `, 0}, {`[1]`, 1}, {`[[1,2],{"a":3},4]`, 3},
		{`{}`, 0}, {`{"a":1,"b":2}`, 2}, {`{"a":1,"\u0061":2,"b":3}`, 2},
		{`{` + many.String() + `"\u006b7":0}`, 100}, {`{` + many.String() + `"new":0}`, 101},
		{`"text"`, 0}, {`null`, 0}, {`7`, 0}, {``, 0},
	} {
		if got := jsonscan.Len([]byte(c.raw)); got != c.want {
			t.Errorf("%.40s has length %d, want %d", c.raw, got, c.want)
		}
	}
}

func TestEach(t *testing.T) {
	list := func(raw string, atMost int) string {
		var got []string
		jsonscan.Each([]byte(raw), func(i int, v jsonscan.Value) bool {
			got = append(got, fmt.Sprint(i, " ", show(v)))
			return len(got) < atMost
		})
		return strings.Join(got, "; ")
	}
	for _, c := range []struct {
		raw    string
		atMost int
		want   string
	}{
		{` [ 1 , "a" , [ 2 ] , null ] `, 9, `0 int 1 1; 1 string "a" "a"; 2 array [ 2 ]; 3 null`},
		{`[1,2,3]`, 2, `0 int 1 1; 1 int 2 2`},
		{`[]`, 9, ``},
		{`{"a":1}`, 9, ``},
	} {
		if got := list(c.raw, c.atMost); got != c.want {
			t.Errorf("%s: %s, want %s", c.raw, got, c.want)
		}
	}
}

func TestEachKey(t *testing.T) {
	list := func(raw string, atMost int) string {
		var got []string
		jsonscan.EachKey([]byte(raw), func(key string, rawKey []byte, v jsonscan.Value) bool {
			got = append(got, fmt.Sprint(key, " ", string(rawKey), " ", show(v)))
			return len(got) < atMost
		})
		return strings.Join(got, "; ")
	}
	for _, c := range []struct {
		raw    string
		atMost int
		want   string
	}{
		{` { "b" : 1 , "\u0061" : { "c" : 2 } , "b" : true } `, 9, `b "b" int 1 1; a "\u0061" object { "c" : 2 }; b "b" true`},
		{`{"a":1,"b":2}`, 1, `a "a" int 1 1`},
		{`{}`, 9, ``},
		{`["a"]`, 9, ``},
	} {
		if got := list(c.raw, c.atMost); got != c.want {
			t.Errorf("%s: %s, want %s", c.raw, got, c.want)
		}
	}
}

func TestDecode(t *testing.T) {
	type (
		list   = []any
		object = map[string]any
	)
	for _, c := range []struct {
		raw  string
		want any
	}{
		{`null`, nil}, {` true `, true}, {`false`, false},
		{`9007199254740993`, int64(9007199254740993)}, {`1.0`, 1.0}, {`18446744073709551616`, 18446744073709551616.0},
		{`"\u00e9"`, "é"}, {`""`, ""},
		{`[]`, list{}}, {`{}`, object{}}, {` [ ] `, list{}}, {` { } `, object{}},
		{` [ 1 , [ ] , { } , "a" ] `, list{int64(1), list{}, object{}, "a"}},
		{` { "a" : { "b" : [ null ] } , "\n" : 1 , "\u0061" : 2 } `, object{"a": int64(2), "\n": int64(1)}},
		{``, nil},
	} {
		if got := jsonscan.Decode([]byte(c.raw)); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s is %#v, want %#v", c.raw, got, c.want)
		}
	}
}

// What Decode returns outlives the payload, which its owner may use again.
func TestDecodeOwnsItsStrings(t *testing.T) {
	raw := []byte(`{"key":"text","list":["text"]}`)
	got := jsonscan.Decode(raw)
	for i := range raw {
		raw[i] = 'x'
	}
	if want := (map[string]any{"key": "text", "list": []any{"text"}}); !reflect.DeepEqual(got, want) {
		t.Errorf("now it is %v", got)
	}
}

func TestValueOfAnotherKind(t *testing.T) {
	for _, c := range []struct {
		raw  string
		i    int64
		f    float64
		text string
	}{
		{`7`, 7, 7, ""}, {`7.5`, 0, 7.5, ""}, {`"7"`, 0, 0, "7"}, {`true`, 0, 0, ""}, {``, 0, 0, ""},
	} {
		v := jsonscan.Parse([]byte(c.raw))
		if v.Int() != c.i || v.Float() != c.f || v.Text() != c.text {
			t.Errorf("%q is %v, %v, %q", c.raw, v.Int(), v.Float(), v.Text())
		}
	}
}
