package mqttconn

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"edge/engine"
)

// CheckTopic says what is wrong with a topic to publish to.
func CheckTopic(topic string) error {
	switch {
	case topic == "":
		return errors.New("the topic is empty")
	case len(topic) > math.MaxUint16:
		return errors.New("the topic is longer than 65535 bytes")
	case strings.Count(topic, "/") >= 200:
		return errors.New("the topic has more than 200 levels") // Mosquitto closes the connection for it
	case strings.ContainsAny(topic, "+#\x00"):
		return fmt.Errorf("topic %q holds +, # or NUL, which no message can be published to", topic)
	case !utf8.ValidString(topic):
		return fmt.Errorf("topic %q is not valid UTF-8", topic)
	}
	return nil
}

// CheckFilter says what is wrong with a topic filter.
func CheckFilter(filter string) error {
	switch {
	case len(filter) > math.MaxUint16:
		return errors.New("the topic filter is longer than 65535 bytes")
	case strings.ContainsRune(filter, 0) || !utf8.ValidString(filter):
		return fmt.Errorf("topic filter %q is not valid UTF-8 or holds NUL", filter)
	}
	group, base := splitShare(filter)
	if strings.HasPrefix(filter, "$share/") && (group == "" || strings.ContainsAny(group, "+#")) {
		return fmt.Errorf("topic filter %q: write $share/GROUP/FILTER", filter)
	}
	if base == "" {
		return errors.New("the topic filter is empty")
	}
	levels := strings.Split(base, "/")
	for i, level := range levels {
		if strings.Contains(level, "#") && (level != "#" || i != len(levels)-1) {
			return fmt.Errorf("topic filter %q: # must stand alone at the end", filter)
		}
		if strings.Contains(level, "+") && level != "+" {
			return fmt.Errorf("topic filter %q: + must stand alone between slashes", filter)
		}
	}
	return nil
}

// Matches says whether a filter asks for a topic.
func Matches(filter, topic string) bool {
	_, base := splitShare(filter)
	return covers(base, topic)
}

// splitShare parts $share/GROUP/FILTER. group is "" for a filter that is not shared.
func splitShare(filter string) (group, base string) {
	rest, shared := strings.CutPrefix(filter, "$share/")
	if !shared {
		return "", filter
	}
	group, base, _ = strings.Cut(rest, "/")
	return group, base
}

// hidden says whether a filter that begins with a wildcard stays away from other, which begins with $.
func hidden(filter, other string) bool {
	return strings.HasPrefix(other, "$") && (strings.HasPrefix(filter, "+") || strings.HasPrefix(filter, "#"))
}

// covers says whether a matches every topic that b matches.
func covers(a, b string) bool {
	if hidden(a, b) {
		return false
	}
	for {
		la, resta, morea := strings.Cut(a, "/")
		lb, restb, moreb := strings.Cut(b, "/")
		switch {
		case la == "#":
			return true
		case lb == "#", la != lb && la != "+":
			return false
		case !moreb:
			return !morea || resta == "#" // a/# matches a
		case !morea:
			return false
		}
		a, b = resta, restb
	}
}

// overlaps says whether some topic matches both.
func overlaps(a, b string) bool {
	if hidden(a, b) || hidden(b, a) {
		return false
	}
	for {
		la, resta, morea := strings.Cut(a, "/")
		lb, restb, moreb := strings.Cut(b, "/")
		switch {
		case la == "#" || lb == "#":
			return true
		case la != lb && la != "+" && lb != "+":
			return false
		case !morea && !moreb:
			return true
		case !morea:
			return restb == "#"
		case !moreb:
			return resta == "#"
		}
		a, b = resta, restb
	}
}

// cover leaves out each filter that another of the same share group covers, so that the broker has less
// to match and no copies to send. The order stays.
func cover(filters []string) []string {
	var wild, kept []string
	seen := map[string]bool{}
	for _, f := range filters {
		if !seen[f] && strings.ContainsAny(f, "+#") { // the others cover nothing but themselves
			wild = append(wild, f)
		}
		seen[f] = true
	}
	clear(seen)
	for _, f := range filters {
		group, base := splitShare(f)
		covered := seen[f] || slices.ContainsFunc(wild, func(o string) bool {
			otherGroup, other := splitShare(o)
			return o != f && group == otherGroup && covers(other, base)
		})
		seen[f] = true
		if !covered {
			kept = append(kept, f)
		}
	}
	return kept
}

// subscriptionID is the number under which we subscribe to a filter: made of the filter alone, so that
// what a broker has queued under it since an earlier run is still understood.
func subscriptionID(filter string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(filter))
	return max(h.Sum32()&(1<<28-1), 1)
}

// guessFilter finds the filter of an earlier run that a message came for: the one among all that match
// its topic whose number is id. MQTT cannot list the subscriptions of a session; this can, as they show.
func guessFilter(topic string, id uint32, groups []string) (filter string, found bool) {
	levels := strings.Split(topic, "/")
	if len(levels) > 12 {
		return "", false // 4096 candidates for each group and the room for #; deeper trees stay unknown
	}
	for _, group := range groups {
		prefix := ""
		if group != "" {
			prefix = "$share/" + group + "/"
		}
		try := func(f string) bool {
			if subscriptionID(prefix+f) == id && !hidden(f, topic) {
				filter, found = prefix+f, true
			}
			return found
		}
		var grow func(done string, left []string) bool
		grow = func(done string, left []string) bool {
			if try(done + "#") {
				return true
			}
			for _, level := range []string{left[0], "+"} {
				if len(left) == 1 {
					if try(done+level) || try(done+level+"/#") {
						return true
					}
				} else if grow(done+level+"/", left[1:]) {
					return true
				}
			}
			return false
		}
		if grow("", levels) {
			return filter, true
		}
	}
	return "", false
}

// SortedHeaders makes headers of a mapping, in the order of their names.
func SortedHeaders(m map[string]string) []engine.Header {
	hs := make([]engine.Header, 0, len(m))
	for name, value := range m {
		hs = append(hs, engine.Header{Name: name, Value: value})
	}
	slices.SortFunc(hs, func(a, b engine.Header) int { return strings.Compare(a.Name, b.Name) })
	return hs
}
