package rules

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/expr-lang/expr"
)

func TestTimeFunctions(t *testing.T) {
	check(t, []example{
		{"now", `[]`, `"2024-11-22T07:06:40.123Z"`},
		{"now", `["Europe/Berlin"]`, `"2024-11-22T08:06:40.123+01:00"`},
		{"now", `["Nowhere"]`, "!wrong_type"},
		{"date", `[1732259200123]`, `"2024-11-22T07:06:40.123Z"`},
		{"date", `[0]`, `"1970-01-01T00:00:00Z"`},
		{"date", `[-1]`, `"1969-12-31T23:59:59.999Z"`},
		{"date", `[9223372036854775807]`, "!overflow"},
		{"date", `[1.5]`, "!wrong_type"},
		{"date", `[0,"2006"]`, "!wrong_type"},
		{"date", `["2024-11-22T07:06:40.5+02:00"]`, `"2024-11-22T07:06:40.5+02:00"`},
		{"date", `["2024-11-22"]`, `"2024-11-22T00:00:00Z"`},
		{"date", `["2024-11-22 07:06:40"]`, `"2024-11-22T07:06:40Z"`},
		{"date", `["Fri, 22 Nov 2024 07:06:40 GMT"]`, `"2024-11-22T07:06:40Z"`},
		{"date", `["Fri, 22 Nov 2024 07:06:40 CET"]`, "!wrong_type"},
		{"date", `["22.11.2024","02.01.2006"]`, `"2024-11-22T00:00:00Z"`},
		{"date", `["22.07.2024","02.01.2006","Europe/Berlin"]`, `"2024-07-22T00:00:00+02:00"`},
		{"date", `["22.07.2024 01:00 CEST","02.01.2006 15:04 MST","Europe/Berlin"]`, `"2024-07-22T01:00:00+02:00"`},
		{"date", `["22.07.2024","02.01.2006","Europe/Atlantis"]`, "!wrong_type"},
		{"date", `["22.07.2024","02.01.2006","../../etc/passwd"]`, "!wrong_type"},
		{"date", `["22/07/2024","02.01.2006"]`, "!wrong_type"},
		{"date", `["soon"]`, "!wrong_type"},
		{"date", `[true]`, "!wrong_type"},
		{"date", `["2024",2006]`, "!wrong_type"},
		{"duration", `["1h30m"]`, `"1h30m0s"`},
		{"duration", `["7d"]`, `"168h0m0s"`},
		{"duration", `["-5s"]`, `"-5s"`},
		{"duration", `["soon"]`, "!wrong_type"},
		{"duration", `["99999999d"]`, "!wrong_type"},
		{"duration", `[5]`, "!wrong_type"},
		{"timezone", `["Mars/Base"]`, "!wrong_type"},
		{"timezone", `[1]`, "!wrong_type"},
		{"millis", `[5]`, "!wrong_type"},
	})
	if got := result(call("millis", boxed(moment))); got != "1732259200123" {
		t.Errorf("millis = %s", got)
	}
	zone, err := call("timezone", stringValue("Asia/Tokyo"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []Value
		want string
	}{
		{[]Value{zone, stringValue("2024-11-22 07:00:00")}, `"2024-11-22T07:00:00+09:00"`},
		{[]Value{zone, stringValue("22.11.2024"), stringValue("02.01.2006")}, `"2024-11-22T00:00:00+09:00"`},
		{[]Value{zone, intValue(0)}, `"1970-01-01T09:00:00+09:00"`},
		{[]Value{stringValue("22.11.2024"), stringValue("02.01.2006"), zone}, `"2024-11-22T00:00:00+09:00"`},
		{[]Value{zone}, "!wrong_type"},
	} {
		if got := result(call("date", test.args...)); got != test.want {
			t.Errorf("date = %s, want %s", got, test.want)
		}
	}
}

func TestMethods(t *testing.T) {
	later := boxed(moment.Add(time.Hour))
	for _, test := range []struct {
		on   any
		name string
		args []Value
		want string
	}{
		{moment, "Weekday", nil, `5`},
		{moment, "Month", nil, `11`},
		{moment, "UnixMilli", nil, `1732259200123`},
		{moment, "UnixNano", nil, `1732259200123000000`},
		{time.Date(1500, 1, 1, 0, 0, 0, 0, time.UTC), "UnixNano", nil, "!overflow"},
		{moment, "Format", []Value{stringValue("2006-01")}, `"2024-11"`},
		{moment, "Format", []Value{intValue(1)}, "!wrong_type"},
		{moment, "Format", []Value{stringValue(longText)}, "!wrong_type"},
		{moment, "In", []Value{stringValue("Europe/Berlin")}, `"2024-11-22T08:06:40.123+01:00"`},
		{moment, "In", []Value{boxed(time.UTC)}, `"2024-11-22T07:06:40.123Z"`},
		{moment, "In", []Value{intValue(1)}, "!wrong_type"},
		{moment, "Truncate", []Value{boxed(time.Hour)}, `"2024-11-22T07:00:00Z"`},
		{moment, "Truncate", []Value{intValue(5)}, "!wrong_type"},
		{moment, "Add", []Value{boxed(time.Second)}, `"2024-11-22T07:06:41.123Z"`},
		{time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), "Add", []Value{boxed(48 * time.Hour)}, "!overflow"},
		{moment, "AddDate", []Value{intValue(0), intValue(1), intValue(-22)}, `"2024-11-30T07:06:40.123Z"`},
		{moment, "AddDate", []Value{intValue(1 << 40), intValue(0), intValue(0)}, "!overflow"},
		{moment, "AddDate", []Value{intValue(9000), intValue(0), intValue(0)}, "!overflow"},
		{moment, "AddDate", []Value{intValue(1)}, "!wrong_type"},
		{moment, "Sub", []Value{later}, `"-1h0m0s"`},
		{moment, "Sub", []Value{boxed(time.Time{})}, "!overflow"},
		{moment, "Before", []Value{later}, `true`},
		{moment, "After", []Value{later}, `false`},
		{moment, "Equal", []Value{boxed(moment.In(time.FixedZone("", 3600)))}, `true`},
		{moment, "Equal", []Value{stringValue("2024")}, "!wrong_type"},
		{time.Time{}, "IsZero", nil, `true`},
		{moment, "Hours", nil, "!wrong_type"},
		{90 * time.Minute, "Hours", nil, `1.5`},
		{90 * time.Minute, "Year", nil, "!wrong_type"},
		{time.Duration(math.MinInt64), "Abs", nil, `"2562047h47m16.854775807s"`},
		{90 * time.Second, "Round", []Value{boxed(time.Minute)}, `"2m0s"`},
		{90 * time.Second, "Truncate", []Value{boxed(time.Minute)}, `"1m0s"`},
		{90 * time.Second, "Round", []Value{intValue(1)}, "!wrong_type"},
		{"text", "Year", nil, "!wrong_type"},
		{nil, "Year", nil, "!wrong_type"},
	} {
		if got := result(method(unbox(test.on), test.name, test.args)); got != test.want {
			t.Errorf("(%v).%s = %s, want %s", test.on, test.name, got, test.want)
		}
	}
	if knownMethod("Local") || !knownMethod("Year") || !knownMethod("Hours") {
		t.Error("knownMethod")
	}
}

// TestMethodsAgreeWithGo calls each method of the tables, through expr, on the Go value.
func TestMethodsAgreeWithGo(t *testing.T) {
	later, minute := moment.Add(26*time.Hour), time.Minute
	arguments := map[string][]any{
		"In": {time.FixedZone("", 3600)}, "Format": {"Jan _2 2006"}, "Add": {minute}, "AddDate": {1, 2, 3}, "Sub": {later},
		"Before": {later}, "After": {later}, "Equal": {later}, "Round": {minute}, "Truncate": {minute},
	}
	compare := func(on any, name string) {
		env, source, args := map[string]any{"on": on}, "on."+name+"(", []Value{}
		for i, x := range arguments[name] {
			variable := fmt.Sprint("a", i)
			env[variable] = x
			if i > 0 {
				source += ", "
			}
			source += variable
			args = append(args, unbox(x))
		}
		want, err := expr.Eval(source+")", env)
		if err != nil {
			t.Fatalf("%s): %v", source, err)
		}
		got, err := method(unbox(on), name, args)
		if err != nil {
			t.Errorf("%s): %v", source, err)
			return
		}
		if left, right := plain(t, got.box()), plain(t, want); left != right {
			t.Errorf("%s) of %v = %v, Go gives %v", source, on, left, right)
		}
		if len(args) != methodArguments(name) {
			t.Errorf("%s takes %d arguments, methodArguments says %d", name, len(args), methodArguments(name))
		}
	}
	for name := range timeMethods {
		compare(moment, name)
	}
	for name := range durationMethods {
		compare(-3723*time.Second-123456789, name)
	}
	for name, m := range durationMethods {
		if other, ok := timeMethods[name]; ok && other.args != m.args {
			t.Errorf("%s takes %d or %d arguments", name, m.args, other.args)
		}
	}
}
