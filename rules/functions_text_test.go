package rules

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTextFunctions(t *testing.T) {
	check(t, []example{
		{"upper", `["r-1é"]`, `"R-1É"`},
		{"upper", `["\u0061\n"]`, `"A\n"`},
		{"upper", `[5]`, "!wrong_type"},
		{"upper", `[["a"]]`, "!wrong_type"},
		{"lower", `["ROBOT"]`, `"robot"`},
		{"trim", `["  a b\t"]`, `"a b"`},
		{"trim", `["__a_","_"]`, `"a"`},
		{"trim", `["a",1]`, "!wrong_type"},
		{"trimPrefix", `["map/F3","map/"]`, `"F3"`},
		{"trimPrefix", `[" a"]`, `"a"`},
		{"trimSuffix", `["a.json",".json"]`, `"a"`},
		{"split", `["a,b,c",","]`, `["a","b","c"]`},
		{"split", `["a,b,c",",",2]`, `["a","b,c"]`},
		{"split", `["a,b,c",",",0]`, `[]`},
		{"split", `["a,b",",",9223372036854775807]`, `["a","b"]`},
		{"split", `["aé",""]`, `["a","é"]`},
		{"split", `["a",",","2"]`, "!wrong_type"},
		{"splitAfter", `["a,b",","]`, `["a,","b"]`},
		{"replace", `["a-b-c","-","_"]`, `"a_b_c"`},
		{"replace", `["a-b-c","-","_",1]`, `"a_b-c"`},
		{"replace", `["a-b-c","-","_",0]`, `"a-b-c"`},
		{"replace", `["ab","","."]`, `".a.b."`},
		{"replace", `["a","a",1]`, "!wrong_type"},
		{"repeat", `["ab",3]`, `"ababab"`},
		{"repeat", `["ab",0]`, `""`},
		{"repeat", `["",9223372036854775807]`, `""`},
		{"repeat", `["ab",-1]`, "!wrong_type"},
		{"repeat", `["ab",1.5]`, "!wrong_type"},
		{"join", `[["a","b"],", "]`, `"a, b"`},
		{"join", `[["a","b"]]`, `"ab"`},
		{"join", `[[],","]`, `""`},
		{"join", `[["a",1],","]`, "!wrong_type"},
		{"join", `[["a",null],","]`, "!wrong_type"},
		{"join", `["a"]`, "!wrong_type"},
		{"indexOf", `["éa","a"]`, `2`},
		{"indexOf", `["abc","z"]`, `-1`},
		{"lastIndexOf", `["abcab","ab"]`, `3`},
		{"hasPrefix", `["r-1","r"]`, `true`},
		{"hasSuffix", `["r-1","r"]`, `false`},
		{"hasSuffix", `["r-1",1]`, "!wrong_type"},
	})
}

func TestTextFunctionsOfJSON(t *testing.T) {
	check(t, []example{
		{"string", `["a\"b"]`, `"a\"b"`},
		{"string", `[7]`, `"7"`},
		{"string", `[1732270000123]`, `"1732270000123"`},
		{"string", `[2.5]`, `"2.5"`},
		{"string", `[true]`, `"true"`},
		{"string", `[[1,"a"]]`, `"[1,\"a\"]"`},
		{"string", `[{"a": {"b": "c d\"  "}}]`, `"{\"a\":{\"b\":\"c d\\\"  \"}}"`},
		{"raw", `["a/b"]`, `"a/b"`},
		{"raw", `[7]`, `"7"`},
		{"raw", `[[7]]`, "!wrong_type"},
		{"raw", `[{}]`, "!wrong_type"},
		{"toJSON", `["a"]`, `"\"a\""`},
		{"toJSON", `[{"a": [1, null, "x  y"]}]`, `"{\"a\":[1,null,\"x  y\"]}"`},
		{"toJSON", `[[ ]]`, `"[]"`},
		{"fromJSON", `["{\"a\":[1,2.5,\"x\"]}"]`, `{"a":[1,2.5,"x"]}`},
		{"fromJSON", `[" null "]`, `null`},
		{"fromJSON", `["{\"a\":1} x"]`, "!wrong_type"},
		{"fromJSON", `["NaN"]`, "!wrong_type"},
		{"fromJSON", `[""]`, "!wrong_type"},
		{"fromJSON", `[1]`, "!wrong_type"},
		{"fromJSON", `["` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `"]`, "!limit"},
		{"toBase64", `["hé"]`, `"aMOp"`},
		{"fromBase64", `["aMOp"]`, `"hé"`},
		{"fromBase64", `["%%"]`, "!wrong_type"},
		{"fromBase64", `["/w=="]`, "!wrong_type"}, // one byte 0xff
	})
	// What was received keeps its digits where it is only turned into text.
	for _, digits := range []string{"12345678901234567890", "1.50", "1e2"} {
		if got := result(call("string", parsed([]byte(digits)))); got != `"`+digits+`"` {
			t.Errorf("string(%s) = %s", digits, got)
		}
	}
	if got := result(call("string", boxed(moment))); got != `"2024-11-22T07:06:40.123Z"` {
		t.Errorf("string of a time = %s", got)
	}
}

func TestTextFunctionLimits(t *testing.T) {
	long := stringValue(strings.Repeat("x", 1<<20))
	limited(t, "repeat", long, intValue(17))
	limited(t, "repeat", stringValue("ab"), intValue(1<<62))
	limited(t, "repeat", stringValue("ab"), intValue(1<<32)) // 0 where an int has 32 bits
	limited(t, "replace", long, stringValue("x"), stringValue(strings.Repeat("y", 1000)))
	limited(t, "replace", long, stringValue(""), long)
	limited(t, "join", many(100_000, func(int) any { return "0123456789" }), stringValue(strings.Repeat(",", 1000)))
	limited(t, "join", many(100_000, func(int) any { return long.text }))
	limited(t, "split", long, stringValue(""))
	limited(t, "splitAfter", long, stringValue("x"))
	limited(t, "upper", stringValue(strings.Repeat("x", maxBytes+1)))
	limited(t, "toJSON", stringValue(strings.Repeat("x", maxBytes+1)))
	limited(t, "toJSON", many(2000, func(int) any { return longText }))
	limited(t, "toBase64", stringValue(strings.Repeat("x", maxBytes)))

	if v, err := call("repeat", long, intValue(16)); err != nil || len(v.text) != 16<<20 {
		t.Errorf("what fits the budget: %d bytes, %v", len(v.text), err)
	}
	// A loop over a long text ends, even though it builds nothing.
	c := &scope{}
	var err error
	for range maxSteps {
		if _, err = functionNamed("indexOf").call(c, []Value{long, stringValue("y")}); err != nil {
			break
		}
	}
	if err == nil || classOf(err) != LimitReached {
		t.Errorf("indexOf over and over: %v", err)
	}
}

// FuzzText holds the functions that take text apart against the promise that text stays UTF-8.
func FuzzText(f *testing.F) {
	f.Add("aéb", "é", int64(2))
	f.Fuzz(func(t *testing.T, s, sep string, n int64) {
		if !utf8.ValidString(s) || !utf8.ValidString(sep) {
			return
		}
		for _, name := range []string{"split", "splitAfter", "replace", "trim", "trimPrefix", "trimSuffix", "repeat"} {
			args := []Value{stringValue(s), stringValue(sep)}
			switch name {
			case "repeat":
				args[1] = intValue(n)
			case "replace":
				args = append(args, stringValue("日"), intValue(n))
			case "split", "splitAfter":
				args = append(args, intValue(n))
			}
			v, err := call(name, args...)
			if err == nil && strings.Contains(result(v, nil), `\ufffd`) {
				t.Errorf("%s(%q, %q) = %s", name, s, sep, result(v, nil))
			}
		}
	})
}
