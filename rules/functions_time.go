package rules

import (
	"path"
	"sync"
	"time"
	_ "time/tzdata" // the zones of an edge box that has none of its own

	"edge/internal/strictyaml"
)

// timeFunctions know moments and spans of time. Where no zone is named it is UTC, on every box.
var timeFunctions = byName(
	&function{name: "now", min: 0, max: 1, call: now},
	&function{name: "date", min: 1, max: 3, call: date},
	&function{name: "duration", min: 1, max: 1, call: duration},
	&function{name: "timezone", min: 1, max: 1, call: func(_ *scope, args []Value) (Value, error) {
		zone, err := zoneFrom("timezone", args[0])
		return boxed(zone), err
	}},
	&function{name: "millis", min: 1, max: 1, call: func(_ *scope, args []Value) (Value, error) {
		t, err := timeFrom("millis", args[0])
		return intValue(t.UnixMilli()), err
	}},
)

func now(c *scope, args []Value) (Value, error) {
	if len(args) == 0 {
		return boxed(c.now.UTC()), nil
	}
	zone, err := zoneFrom("now", args[0])
	if err != nil {
		return null, err
	}
	return boxed(c.now.In(zone)), nil
}

// layouts are the forms in which date reads text without being told its form.
var layouts = []string{
	time.DateOnly, time.TimeOnly, time.DateTime,
	time.RFC3339, time.RFC822, time.RFC850, time.RFC1123,
}

// longest is the length of a date or of its form beyond which it is neither.
const longest = 256

// date reads text, in a form and a zone if they are given, or Unix milliseconds. The zone may also come
// first, as expr has it.
func date(_ *scope, args []Value) (Value, error) {
	zone := time.UTC
	if first, ok := args[0].ref.(*time.Location); ok {
		zone, args = first, args[1:]
	}
	if len(args) == 0 {
		return null, fail(WrongType, "date takes text or Unix milliseconds after the time zone")
	}
	if args[0].isNumber() {
		return dateOfMillis(args, zone)
	}
	s, err := shortText("date", args[0])
	if err != nil {
		return null, err
	}
	if len(args) == 1 {
		for _, layout := range layouts {
			if t, err := time.ParseInLocation(layout, s, zone); err == nil {
				return inKnownZone(t)
			}
		}
		return null, fail(WrongType, "date cannot read %s; give its form, such as '02.01.2006 15:04'", args[0].show())
	}
	layout, err := shortText("date", args[1])
	if err != nil {
		return null, err
	}
	if len(args) == 3 {
		if zone, err = zoneFrom("date", args[2]); err != nil {
			return null, err
		}
	}
	t, err := time.ParseInLocation(layout, s, zone)
	if err != nil {
		return null, fail(WrongType, "date cannot read %s in the form %s", args[0].show(), args[1].show())
	}
	return inKnownZone(t)
}

// inKnownZone refuses a time in a zone such as CET, which Go takes for UTC where the zone that is asked for
// does not have one of that name: the time would be wrong by some hours.
func inKnownZone(t time.Time) (Value, error) {
	switch name, offset := t.Zone(); name {
	case "", "UTC", "GMT", "WET":
	default:
		if offset == 0 && t.Location().String() == name {
			return null, fail(WrongType, "date: the zone %s could be many; name it, as in date(text, form, 'Europe/Berlin')", name)
		}
	}
	return boxed(t), nil
}

func dateOfMillis(args []Value, zone *time.Location) (Value, error) {
	ms, err := wholeFrom("date", args[0])
	if err != nil {
		return null, err
	}
	if len(args) > 1 {
		return null, fail(WrongType, "date of Unix milliseconds takes no form")
	}
	return inCalendar(time.UnixMilli(ms).In(zone))
}

// inCalendar refuses times that RFC 3339 has no year for.
func inCalendar(t time.Time) (Value, error) {
	if year := t.Year(); year < 0 || year > 9999 {
		return null, fail(Overflow, "the year of the time is %d, not in 0 to 9999", year)
	}
	return boxed(t), nil
}

func duration(_ *scope, args []Value) (Value, error) {
	s, err := shortText("duration", args[0])
	if err != nil {
		return null, err
	}
	d, err := strictyaml.ParseDuration(s)
	if err != nil {
		return null, fail(WrongType, "duration cannot read %s; it takes 90s, 1h30m, 7d and the like", args[0].show())
	}
	return boxed(d), nil
}

func shortText(name string, v Value) (string, error) {
	if !v.isString() {
		return "", fail(WrongType, "%s takes text, not %s", name, v.typeName())
	}
	if len(v.text) > longest {
		return "", fail(WrongType, "%s takes text of at most %d bytes, not %s", name, longest, v.show())
	}
	return v.string(), nil
}

func timeFrom(name string, v Value) (time.Time, error) {
	if t, ok := v.ref.(time.Time); ok {
		return t, nil
	}
	return time.Time{}, fail(WrongType, "%s takes a time, not %s", name, v.typeName())
}

func durationFrom(name string, v Value) (time.Duration, error) {
	if d, ok := v.ref.(time.Duration); ok {
		return d, nil
	}
	return 0, fail(WrongType, "%s takes a duration, not %s", name, v.typeName())
}

// zones holds the zones read so far: the library goes through files each time it is asked for one.
var zones sync.Map // of *time.Location by string

// zoneFrom takes a zone or its name.
func zoneFrom(function string, v Value) (*time.Location, error) {
	if zone, ok := v.ref.(*time.Location); ok {
		return zone, nil
	}
	name, err := shortText(function, v)
	if err != nil {
		return nil, err
	}
	if zone, ok := zones.Load(name); ok {
		return zone.(*time.Location), nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fail(WrongType, "%s: no time zone %s", function, v.show())
	}
	// There are as many clean names as zones, but any number of ways to write Europe///Berlin.
	if path.Clean(name) == name {
		zones.Store(name, zone)
	}
	return zone, nil
}
