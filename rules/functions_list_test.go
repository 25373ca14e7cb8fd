package rules

import (
	"strings"
	"testing"
	"time"

	"edge/rules/geo"
)

var longText = strings.Repeat("x", 1<<20)

func TestListFunctions(t *testing.T) {
	check(t, []example{
		{"len", `["aé日"]`, `3`},
		{"len", `["\u00e9"]`, `1`},
		{"len", `[[1,null,3]]`, `3`},
		{"len", `[{"a":1,"b":2}]`, `2`},
		{"len", `[5]`, "!wrong_type"},
		{"len", `[true]`, "!wrong_type"},
		{"type", `[null]`, `"nil"`},
		{"type", `[false]`, `"bool"`},
		{"type", `[1]`, `"int"`},
		{"type", `[1.5]`, `"float"`},
		{"type", `["\n"]`, `"string"`},
		{"type", `[[]]`, `"array"`},
		{"type", `[{}]`, `"map"`},
		{"get", `[[1,2],1]`, `2`},
		{"get", `[[1,2],-1]`, `2`},
		{"get", `[[1,2],5]`, `null`},
		{"get", `[[1,2],4294967296]`, `null`},
		{"get", `[{"a":1},"a"]`, `1`},
		{"get", `[{"a":1},"b"]`, `null`},
		{"get", `[null,"b"]`, `null`},
		{"get", `[{"a":1},null]`, `null`},
		{"get", `[5,"a"]`, "!wrong_type"},
		{"get", `[[1],"a"]`, "!wrong_type"},
		{"get", `[{"a":1},0]`, "!wrong_type"},
		{"first", `[[1,2]]`, `1`},
		{"first", `[[]]`, `null`},
		{"first", `["ab"]`, "!wrong_type"},
		{"last", `[[1,"x"]]`, `"x"`},
		{"last", `[[]]`, `null`},
		{"last", `[{"a":1}]`, "!wrong_type"},
		{"take", `[[1,2,3],2]`, `[1,2]`},
		{"take", `[[1,2,3],0]`, `[]`},
		{"take", `[[1,2,3],9223372036854775807]`, `[1,2,3]`},
		{"take", `[[1,2,3],-1]`, "!wrong_type"},
		{"take", `["abc",1]`, "!wrong_type"},
		{"reverse", `[[1,null,"a"]]`, `["a",null,1]`},
		{"reverse", `["abc"]`, "!wrong_type"},
		{"uniq", `[[1,1.0,"1",null,null,true,true,[1],[1.0],{"a":1},{"a":1},{"a":2}]]`, `[1,"1",null,true,[1],{"a":1},{"a":2}]`},
		{"uniq", `[[9007199254740993,9007199254740992.0,"a","\u0061"]]`, `[9007199254740993,9007199254740992.0,"a"]`},
		{"uniq", `[1]`, "!wrong_type"},
		{"concat", `[[1],[2,null],[]]`, `[1,2,null]`},
		{"concat", `[[1],2]`, "!wrong_type"},
		{"flatten", `[[1,[2,[3,[]]],null,{"a":[1]}]]`, `[1,2,3,null,{"a":[1]}]`},
		{"flatten", `[{"a":1}]`, "!wrong_type"},
		{"keys", `[{"b":1,"a":2}]`, `["a","b"]`},
		{"keys", `[[1]]`, "!wrong_type"},
		{"values", `[{"b":1,"a":null}]`, `[null,1]`},
		{"values", `["a"]`, "!wrong_type"},
		{"toPairs", `[{"b":1,"a":[2]}]`, `[["a",[2]],["b",1]]`},
		{"toPairs", `[1]`, "!wrong_type"},
		{"fromPairs", `[[["a",1],["b",null],["a",3]]]`, `{"a":3,"b":null}`},
		{"fromPairs", `[[["a"]]]`, "!wrong_type"},
		{"fromPairs", `[[[1,2]]]`, "!wrong_type"},
		{"fromPairs", `[["ab"]]`, "!wrong_type"},
		{"fromPairs", `[{"a":1}]`, "!wrong_type"},
	})
}

func TestSort(t *testing.T) {
	check(t, []example{
		{"sort", `[[3,1,2.5]]`, `[1,2.5,3]`},
		{"sort", `[[3,1,2.5],"desc"]`, `[3,2.5,1]`},
		{"sort", `[["b","\u0061","B"],"asc"]`, `["B","a","b"]`},
		{"sort", `[[9223372036854775807,2147483648,-1]]`, `[-1,2147483648,9223372036854775807]`},
		{"sort", `[[]]`, `[]`},
		{"sort", `[[1,"a"]]`, "!wrong_type"},
		{"sort", `[[1,null]]`, "!wrong_type"},
		{"sort", `[[{}]]`, "!wrong_type"},
		{"sort", `[[true,false]]`, "!wrong_type"},
		{"sort", `[[1],"down"]`, "!wrong_type"},
		{"sort", `[[1],1]`, "!wrong_type"},
		{"sort", `["ba"]`, "!wrong_type"},
	})
	// A list is shared by all that read it, so sorting and reversing leave it as it was.
	list := boxed([]any{int64(3), int64(1), int64(2)})
	for _, name := range []string{"sort", "reverse", "uniq", "concat", "flatten"} {
		if _, err := call(name, list); err != nil {
			t.Error(err)
		}
		if got := result(list, nil); got != "[3,1,2]" {
			t.Fatalf("%s changed its argument to %s", name, got)
		}
	}
	times := boxed([]any{moment.Add(time.Hour), moment})
	if got := result(call("sort", times)); got != `["2024-11-22T07:06:40.123Z","2024-11-22T08:06:40.123Z"]` {
		t.Errorf("sort of times = %s", got)
	}
}

func TestListFunctionsOfPoints(t *testing.T) {
	point := boxed(geo.Point{X: 1, Y: 2})
	for _, test := range []struct {
		name string
		args []Value
		want string
	}{
		{"type", []Value{point}, `"point"`},
		{"type", []Value{boxed(geo.Pose{})}, `"pose"`},
		{"type", []Value{boxed(moment)}, `"time.Time"`},
		{"type", []Value{boxed(time.Second)}, `"time.Duration"`},
		{"get", []Value{point, stringValue("y")}, `2`},
		{"get", []Value{point, stringValue("nowhere")}, `null`},
		{"get", []Value{point, intValue(0)}, "!wrong_type"},
		{"len", []Value{point}, "!wrong_type"},
		{"keys", []Value{point}, "!wrong_type"},
		{"sort", []Value{boxed([]any{point.ref})}, "!wrong_type"},
		{"uniq", []Value{boxed([]any{point.ref, point.ref, moment, moment.In(time.Local)})}, `[{"x":1,"y":2},"2024-11-22T07:06:40.123Z"]`},
	} {
		if got := result(call(test.name, test.args...)); got != test.want {
			t.Errorf("%s = %s, want %s", test.name, got, test.want)
		}
	}
}

func TestListFunctionLimits(t *testing.T) {
	limited(t, "uniq", many(100_000, func(i int) any { return map[string]any{"i": int64(i)} }))
	limited(t, "uniq", parsed([]byte("["+strings.TrimSuffix(strings.Repeat("[1],[2],[3,4],{},", 300_000), ",")+"]")))
	limited(t, "concat", many(maxSteps/2+1, func(int) any { return nil }), many(maxSteps/2, func(int) any { return nil }))
	limited(t, "sort", many(300_000, func(i int) any { return int64(-i) }))
	limited(t, "sort", many(100_000, func(i int) any { return longText }))
	limited(t, "sort", many(1024, func(i int) any { return longText[:16<<10] + string(rune('a'+i%26)) })) // alike up to their ends
	limited(t, "reverse", many(maxSteps+1, func(int) any { return nil }))

	// Small in memory, since each level holds the one below twice, but 2^40 elements.
	var twice any = []any{int64(1)}
	for range 40 {
		twice = []any{twice, twice}
	}
	limited(t, "flatten", unbox(twice))
	var deep any = []any{}
	for range 100_000 {
		deep = []any{deep}
	}
	limited(t, "flatten", unbox(deep))

	// A long list of scalars is no bomb.
	if v, err := call("uniq", many(100_000, func(i int) any { return int64(i % 50_000) })); err != nil || len(v.ref.([]any)) != 50_000 {
		t.Errorf("uniq of 100,000 numbers: %v", err)
	}
	if _, err := call("sort", many(100_000, func(i int) any { return int64(-i) })); err != nil {
		t.Errorf("sort of 100,000 numbers: %v", err)
	}
}
