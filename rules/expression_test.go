package rules

import (
	"strings"
	"testing"
)

const sample = `{"dataType":"ROBOT","id":"r-1","big":9007199254740993,"huge":18446744073709551616,"max":9223372036854775807,
"battery":83,"speed":0.5,"charging":false,"null":null,"name":"a\"b\u00e9","coordinates":{"x":12.5,"y":-3,"z":0.0},
"list":[3,1,2],"empty":[],"nested":[[1,2],[3]],"readings":[{"t":20.5,"ok":true},{"t":19,"ok":false}],"ts":1732270000123,"e":1e2,"zero":-0}`

// value evaluates where null is an error, as in map.
func value(t *testing.T, source string) (string, error) {
	t.Helper()
	out, err := Eval(source, []byte(sample), "hospital/H1/device/r-1/status", nil, Env{})
	return string(out), err
}

func TestExpressionValues(t *testing.T) {
	for source, want := range map[string]string{
		`payload.battery`:                         `83`,
		`payload.big`:                             `9007199254740993`,
		`payload.big + 1`:                         `9007199254740994`,
		`payload.huge`:                            `18446744073709551616`,
		`payload.huge > payload.max`:              `true`,
		`payload.max == 9223372036854775807`:      `true`,
		`payload.max < 9223372036854775807.0`:     `true`,
		`payload.big == 9007199254740992.0`:       `false`,
		`payload.e`:                               `1e2`,
		`payload.e + 0`:                           `100`,
		`payload.zero`:                            `-0`,
		`payload.zero + 0`:                        `0`,
		`abs(payload.zero)`:                       `0`,
		`round(payload.zero)`:                     `0`,
		`payload.name`:                            `"a\"b\u00e9"`,
		`payload.name == "a\"bé"`:                 `true`,
		`payload.name + "!"`:                      `"a\"bé!"`,
		`payload.missing`:                         `null`,
		`payload.missing.deep.er`:                 `null`,
		`payload.null.x`:                          `null`,
		`payload.list.x`:                          `null`,
		`let l = payload.list; [l.x, l[0].x]`:     `[null,null]`,
		`any(payload.list, .x == nil)`:            `true`,
		`payload.missing ?? 5`:                    `5`,
		`(payload.missing + 1) ?? 5`:              `5`,
		`payload.list[0]`:                         `3`,
		`payload.list[-1]`:                        `2`,
		`payload.list[9]`:                         `null`,
		`payload["id"]`:                           `"r-1"`,
		`payload.coordinates`:                     `{"x":12.5,"y":-3,"z":0.0}`,
		`payload?.coordinates?.x`:                 `12.5`,
		`7 / 2`:                                   `3.5`,
		`6 / 2`:                                   `3`,
		`-7 % 3`:                                  `-1`,
		`7.0 % 4`:                                 `3`,
		`2 ** 10`:                                 `1024`,
		`1 + 2 * 3`:                               `7`,
		`-payload.battery`:                        `-83`,
		`5000000000`:                              `5000000000`,
		`-5_000_000_000 + 1`:                      `-4999999999`,
		`0x1FFFFFFFF`:                             `8589934591`,
		`1 == 1.0`:                                `true`,
		`7 == "7"`:                                `false`,
		`payload.missing == nil`:                  `true`,
		`payload.missing != nil`:                  `false`,
		`payload.missing == "x"`:                  `false`,
		`payload.missing != "x"`:                  `true`,
		`payload.list == [3, 1, 2.0]`:             `true`,
		`1 in payload.list`:                       `true`,
		`"x" in payload.coordinates`:              `true`,
		`payload.id in ["r-1", "r-2"]`:            `true`,
		`payload.id not in ["r-1"]`:               `false`,
		`payload.id startsWith "r-"`:              `true`,
		`payload.id matches "^r-[0-9]+$"`:         `true`,
		`payload.charging ? "on" : "off"`:         `"off"`,
		`if payload.charging {"on"} else {"off"}`: `"off"`,
		`topic`:                               `"hospital/H1/device/r-1/status"`,
		`key`:                                 `"hospital/H1/device/r-1/status"`,
		`filter(payload.readings, .t > 20)`:   `[{"ok":true,"t":20.5}]`,
		`map(payload.readings, #.t + #index)`: `[20.5,20]`,
		`any(payload.list, # == 2)`:           `true`,
		`all(payload.list, # < 3)`:            `false`,
		`none(payload.list, # > 3)`:           `true`,
		`one(payload.list, # > 2)`:            `true`,
		`find(payload.list, # < 3)`:           `1`,
		`findIndex(payload.list, # < 3)`:      `1`,
		`findLast(payload.list, # < 3)`:       `2`,
		`findLastIndex(payload.list, # < 9)`:  `2`,
		`find(payload.list, # > 9)`:           `null`,
		`sortBy(payload.readings, .t)`:        `[{"ok":false,"t":19},{"ok":true,"t":20.5}]`,
		`sortBy(payload.list, #, "desc")`:     `[3,2,1]`,
		`groupBy(payload.list, # > 1)`:        `{"false":[1],"true":[3,2]}`,
		`reduce(payload.list, #acc + #)`:      `6`,
		`reduce(payload.list, #acc + #, 10)`:  `16`,
		`sum(payload.readings, .t)`:           `39.5`,
		`map(payload.nested, map(#, # * 2))`:  `[[2,4],[6]]`,
		`1..3`:                                `[1,2,3]`,
		`payload.list[1:]`:                    `[1,2]`,
		`payload.id[:1]`:                      `"r"`,
		`let x = payload.battery; x + x`:      `166`,
		`let x = 2; map(payload.list, # * x)`: `[6,2,4]`,
		`{"a": payload.id, "b": [1, nil]}`:    `{"a":"r-1","b":[1,null]}`,
		`10 < payload.battery < 90`:           `true`,
		`not (payload.battery > 90) and true`: `true`,
		`meta.properties`:                     `{}`,
	} {
		if got, err := value(t, source); err != nil || got != want {
			t.Errorf("%s = %s, %v; want %s", source, got, err, want)
		}
	}
}

func TestExpressionErrorsOfMessages(t *testing.T) {
	for source, want := range map[string]string{
		`payload.max + 1`:                        "overflow: ",
		`-payload.max - 2`:                       "overflow: ",
		`payload.max * 2`:                        "overflow: ",
		`1 / 0`:                                  "division_by_zero: ",
		`1 % 0`:                                  "division_by_zero: ",
		`7.5 % 2`:                                "wrong_type: % takes whole numbers, not 7.5 % 2",
		`1e308 * 10`:                             "not_finite: ",
		`payload.missing + 1`:                    "missing_field: payload.missing is missing or null",
		`payload.missing > 1`:                    "missing_field: ",
		`payload.battery > "5"`:                  "wrong_type: > cannot take a number and text",
		`payload.id + 1`:                         "wrong_type: + cannot take text and a number",
		`payload.battery and true`:               "not_boolean: ",
		`payload.battery ? 1 : 2`:                "not_boolean: ",
		`payload.coordinates[0]`:                 "wrong_type: an object has no element 0",
		`1..5000000`:                             "limit: ",
		`any(1..2000, any(1..2000, # < 0))`:      "limit: ",
		`reduce(1..40, #acc + #acc, payload.id)`: "limit: ",
		`reduce(1..60, [#acc, #acc], 1) == reduce(1..60, [#acc, #acc], 1)`: "limit: ",
		`reduce(1..40, [#acc, #acc], 1)`:                                   "limit: ",
	} {
		got, err := value(t, source)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s = %s, %v; want %s", source, got, err, want)
		}
	}
}

func TestExpressionErrorsAtLoad(t *testing.T) {
	for source, want := range map[string]string{
		`paylod.x`:                        "unknown name paylod, did you mean payload?\n | paylod.x\n | ^",
		`payload.x == abc`:                "unknown name abc; text needs quotes: \"abc\"",
		`1 +`:                             "the expression ends too early",
		`count(payload.list)`:             "count cannot be used here: it belongs in aggregate:",
		`count(payload.list, # > 1)`:      "count cannot be used here",
		`avg(payload.x)`:                  "avg cannot be used here",
		`nosuch(1)`:                       "unknown function nosuch",
		`transfrom(payload.x, "a", "b")`:  "unknown function transfrom, did you mean transform?",
		`transform(payload.x, "a", "b")`:  "no frame",
		`filter(payload.list)`:            "expected at least 2 arguments",
		`payload.a matches payload.b`:     "the pattern of matches must be written as text",
		`payload.a matches "("`:           "missing closing )",
		`#`:                               "unexpected token",
		`item.x`:                          "item is an element of split:",
		`out.x`:                           "out is the result of map: or set:, which is not there yet",
		`params.id`:                       "unknown param id: the rule's topic has no {id}",
		`meta.nothing`:                    "meta has no nothing",
		`meta.qoss`:                       "meta has no qoss, did you mean meta.qos?",
		`99999999999999999999`:            "does not fit a 64-bit integer",
		`9223372036854775808`:             "does not fit a 64-bit integer",
		`1 - 9223372036854775808`:         "does not fit a 64-bit integer",
		`-(9223372036854775808)`:          "does not fit a 64-bit integer",
		`-9223372036854775808 ** 2`:       "does not fit a 64-bit integer",
		`012`:                             "012 has a leading zero",
		`1 + 08`:                          "08 has a leading zero",
		`2001-01-01`:                      "2001-01-01 would be a subtraction: a date is text and needs quotes",
		`payload.a = 1`:                   "write ==\n | payload.a = 1\n | ..........^",
		`let payload = 1; payload`:        "the name payload is taken",
		strings.Repeat("(", 200):          "nested deeper than 100",
		strings.Repeat("(", 1_000_000):    "at most 4096 are allowed",
		strings.Repeat("!", 300) + "true": "nested deeper than 100",
		strings.Repeat("1 + ", 600) + "1": "more than 1000 parts",
		``:                                "the expression is empty",
		`payload.x; payload.y`:            "several expressions in one",
		`payload.a ?? 100 < 20`:           "cannot be mixed",
	} {
		_, err := value(t, source)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v; want %q", source, err, want)
		}
	}
}
