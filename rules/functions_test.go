package rules

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/expr-lang/expr"

	"edge/internal/jsonscan"
)

// An example calls a function with the elements of args, a JSON list. want is the JSON of the result, or the
// class of the error after "!".
type example struct{ name, args, want string }

// check runs examples with arguments as a payload brings them and, because an expression may have built
// them as well, with arguments as Go values.
func check(t *testing.T, examples []example) {
	t.Helper()
	for _, e := range examples {
		var received, built []Value
		if err := jsonscan.Valid([]byte(e.args), 0); err != nil {
			t.Fatalf("%s(%s): %v", e.name, e.args, err)
		}
		jsonscan.Each([]byte(e.args), func(_ int, s jsonscan.Value) bool {
			v := scanned(&s)
			received, built = append(received, v), append(built, unbox(v.box()))
			return true
		})
		for i, args := range [][]Value{received, built} {
			got := result(call(e.name, args...))
			if got != e.want {
				t.Errorf("%s(%s) = %s, want %s (arguments as %s)", e.name, e.args, got, e.want, []string{"received", "built"}[i])
			}
		}
	}
}

var moment = time.Date(2024, time.November, 22, 7, 6, 40, 123_000_000, time.UTC)

// call calls a function as a compiled expression does.
func call(name string, args ...Value) (Value, error) {
	f := functionNamed(name)
	if f == nil {
		return null, fmt.Errorf("no function %s", name)
	}
	if wrong := f.arguments(len(args)); wrong != "" {
		return null, fmt.Errorf("%s", wrong)
	}
	for _, arg := range args {
		if arg.isNull() && !f.nulls {
			return null, fmt.Errorf("%s never sees null", name)
		}
	}
	return f.call(&scope{now: moment}, args)
}

// result gives a value as JSON, an error as "!" and its class.
func result(v Value, err error) string {
	if err != nil {
		if _, ok := err.(*evalError); !ok {
			return "!" + err.Error()
		}
		return "!" + string(classOf(err))
	}
	out, err := v.appendJSON(nil, &budget{})
	if err != nil {
		return "!" + err.Error()
	}
	return string(out)
}

// limited checks that a call ends at a limit, and that it does so before it has built much.
func limited(t *testing.T, name string, args ...Value) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := call(name, args...)
	runtime.ReadMemStats(&after)
	if err == nil || classOf(err) != LimitReached {
		t.Errorf("%s: %v, want an error of class %s", name, err, LimitReached)
	}
	if built := (after.TotalAlloc - before.TotalAlloc) >> 20; built > 128 {
		t.Errorf("%s built %d MiB before it was refused", name, built)
	}
}

// many gives a list of n elements.
func many(n int, element func(i int) any) Value {
	list := make([]any, n)
	for i := range list {
		list[i] = element(i)
	}
	return boxed(list)
}

func TestFunctionErrorsSayWhatIsWrong(t *testing.T) {
	for _, test := range []struct {
		name string
		args []any
		want string
	}{
		{"upper", []any{int64(5)}, "upper takes text, not a number"},
		{"repeat", []any{"a", 1.5}, "repeat takes a whole number, not 1.5"},
		{"sum", []any{[]any{int64(1), nil}}, "sum takes a list of numbers, its element 1 is null; leave it out with filter(list, # != nil)"},
		{"join", []any{[]any{"a", 2.5}}, "join takes a list of text, its element 1 is a number"},
		{"sqrt", []any{int64(-1)}, "sqrt(-1) is not a finite number"},
		{"int", []any{"9223372036854775808"}, `int("9223372036854775808") does not fit 64 bits`},
		{"fromJSON", []any{"{"}, "fromJSON takes the text of JSON: not JSON at byte 1: "},
		{"date", []any{"soon"}, `date cannot read "soon"; give its form, such as '02.01.2006 15:04'`},
		{"timezone", []any{"Mars/Base"}, `timezone: no time zone "Mars/Base"`},
	} {
		args := make([]Value, len(test.args))
		for i, arg := range test.args {
			args[i] = unbox(arg)
		}
		_, err := call(test.name, args...)
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s%v: %v, want %s", test.name, test.args, err, test.want)
		}
	}
}

// signatures name the kinds of arguments, by which TestFunctionsAgreeWithExpr makes some up. None needs more
// than the 32 bits that expr's integers have on small boxes.
var signatures = map[string][]string{
	"upper": {"t"}, "lower": {"t"}, "trim": {"t", "tt"}, "trimPrefix": {"t", "tt"}, "trimSuffix": {"t", "tt"},
	"split": {"tt", "ttk"}, "splitAfter": {"tt", "ttk"}, "replace": {"ttt", "ttti"}, "repeat": {"tn"}, "join": {"T", "Tt"},
	"indexOf": {"tt"}, "lastIndexOf": {"tt"}, "hasPrefix": {"tt"}, "hasSuffix": {"tt"}, "string": {"t", "i", "b"},
	"toBase64": {"t"}, "fromBase64": {"6"}, "fromJSON": {"J"},
	"abs": {"i", "f"}, "ceil": {"i", "f"}, "floor": {"i", "f"}, "round": {"i", "f"}, "int": {"i", "f", "I"}, "float": {"i", "f", "I"},
	"sum": {"L"}, "mean": {"L"}, "median": {"L"}, "min": {"L", "if", "fii"}, "max": {"L", "if", "fii"},
	"bitand": {"ii"}, "bitor": {"ii"}, "bitxor": {"ii"}, "bitnand": {"ii"}, "bitshl": {"in"}, "bitshr": {"in"}, "bitushr": {"nn"}, "bitnot": {"i"},
	"len": {"t", "X", "O"}, "type": {"t", "i", "f", "b", "X", "O"}, "get": {"Xi", "Ot"}, "first": {"X"}, "last": {"X"}, "take": {"Xn"},
	"reverse": {"X"}, "uniq": {"X"}, "concat": {"X", "XL"}, "flatten": {"X"}, "sort": {"L", "T", "Lo", "To"},
	"keys": {"O"}, "values": {"O"}, "toPairs": {"O"}, "fromPairs": {"P"},
	"duration": {"d"}, "date": {"D"},
}

// notExpr are the functions that expr does not have, or that mean something else there.
var notExpr = []string{"raw", "toJSON", "now", "timezone", "millis",
	"pi", "sqrt", "exp", "log", "log10", "sin", "cos", "tan", "asin", "acos", "atan", "radians", "degrees", "pow", "atan2", "hypot"}

func TestFunctionsAgreeWithExpr(t *testing.T) {
	m := maker{rand.New(rand.NewPCG(3, 4))}
	for _, library := range []map[string]*function{textFunctions, numberFunctions, listFunctions, timeFunctions} {
		for name := range library {
			if signatures[name] == nil && !slices.Contains(notExpr, name) {
				t.Errorf("%s is not compared with expr", name)
			}
		}
	}
	for name, list := range signatures {
		for _, signature := range list {
			for range 100 {
				m.compare(t, name, signature)
			}
		}
	}
}

type maker struct{ *rand.Rand }

func (m maker) compare(t *testing.T, name, signature string) {
	t.Helper()
	env, names, args := map[string]any{}, []string{}, []Value{}
	for i, kind := range signature {
		x := m.make(kind)
		variable := string(rune('a' + i))
		env[variable] = x
		names, args = append(names, variable), append(args, unbox(x))
	}
	source := fmt.Sprintf("%s(%s)", name, strings.Join(names, ", "))
	want, err := expr.Eval(source, env)
	if err != nil {
		t.Fatalf("%s with %v: expr: %v", source, env, err)
	}
	got, err := call(name, args...)
	if err != nil {
		t.Errorf("%s with %v: %v, expr gives %v", source, env, err, want)
		return
	}
	left, right := plain(t, got.box()), plain(t, want)
	if name == "keys" || name == "values" || name == "toPairs" { // expr gives any order
		left, right = unordered(left), unordered(right)
	}
	if !reflect.DeepEqual(left, right) {
		t.Errorf("%s with %v = %v, expr gives %v", source, env, left, right)
	}
}

// MarshalJSON lets plain read the values that lists and objects hold as they came in.
func (v Value) MarshalJSON() ([]byte, error) { return v.appendJSON(nil, nil) }

// plain gives what JSON leaves of x.
func plain(t *testing.T, x any) any {
	t.Helper()
	if object, ok := x.(map[any]any); ok {
		named := map[string]any{}
		for name, value := range object {
			named[name.(string)] = value
		}
		x = named
	}
	out, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	var back any
	if err = json.Unmarshal(out, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

func unordered(x any) []string {
	var list []string
	for _, element := range x.([]any) {
		list = append(list, fmt.Sprint(element))
	}
	slices.Sort(list)
	return list
}

// make gives some value of a kind: text, integers, floats, lists and so on.
func (m maker) make(kind rune) any {
	list := func(kind rune) []any {
		elements := make([]any, 1+m.IntN(5))
		for i := range elements {
			elements[i] = m.make(kind)
		}
		return elements
	}
	switch kind {
	case 't':
		pieces := []string{"a", "b", "aa", ",", " ", "é", "X", `"`, "\n", "ß", "日"}
		s := ""
		for range m.IntN(5) {
			s += pieces[m.IntN(len(pieces))]
		}
		return s
	case 'i':
		return m.IntN(7) - 3
	case 'n':
		return m.IntN(5)
	case 'k': // but not 0, of which expr makes nil
		return []int{-1, 1, 2, 3}[m.IntN(4)]
	case 'f':
		return float64(m.IntN(4000)-2000) / 8
	case 'b':
		return m.IntN(2) == 0
	case 'I':
		return fmt.Sprint(m.IntN(2000) - 1000)
	case 'o':
		return []string{"asc", "desc"}[m.IntN(2)]
	case 'L':
		return list([]rune("if")[m.IntN(2)])
	case 'T':
		return list('t')
	case 'X':
		return list([]rune("tifbLTO")[m.IntN(7)])
	case 'O':
		object := map[string]any{}
		for range m.IntN(5) {
			object[m.make('t').(string)] = m.make([]rune("tifL")[m.IntN(4)])
		}
		return object
	case 'P':
		return []any{[]any{m.make('t'), m.make('i')}, []any{m.make('t'), m.make('L')}}
	case 'J':
		out, err := json.Marshal(m.make('O'))
		if err != nil {
			panic(err)
		}
		return string(out)
	case '6':
		return base64.StdEncoding.EncodeToString([]byte(m.make('t').(string)))
	case 'd':
		return (time.Duration(m.IntN(1_000_000)) * time.Millisecond).String()
	case 'D':
		layouts := []string{time.DateOnly, time.DateTime, time.RFC3339, time.RFC1123}
		return moment.Add(time.Duration(m.IntN(1_000_000)) * time.Minute).Format(layouts[m.IntN(len(layouts))])
	}
	panic("no such kind")
}
