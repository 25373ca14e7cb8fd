package strictyaml

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

var (
	errDuration = errors.New("wants a duration such as 30s, 1m30s or 7d")
	errSize     = errors.New("wants a size such as 64MiB, 512KiB or 1024")
)

// ParseDuration reads Go durations, and d for 24 hours as the first unit: 7d, 1d12h, -1d.
func ParseDuration(s string) (time.Duration, error) {
	number, rest, found := strings.Cut(s, "d")
	if !found {
		d, err := time.ParseDuration(s)
		if err != nil {
			return 0, errDuration
		}
		return d, nil
	}
	// Hours carry the sign, fractions and the checks of range; only the factor is ours.
	day, err := time.ParseDuration(number + "h")
	if err != nil || strings.Trim(number, "+-.0123456789") != "" || day > math.MaxInt64/24 || day < math.MinInt64/24 {
		return 0, errDuration
	}
	day *= 24
	if rest == "" {
		return day, nil
	}
	sign := ""
	if strings.HasPrefix(number, "-") {
		sign = "-"
	}
	// A sign in the middle is refused, as Go does.
	d, err := time.ParseDuration(sign + rest)
	if err != nil || rest[0] == '-' || rest[0] == '+' {
		return 0, errDuration
	}
	if sum := day + d; (sum >= day) == (d >= 0) {
		return sum, nil
	}
	return 0, errDuration
}

var sizeUnits = []struct {
	name  string
	bytes int64
}{ // B last: it ends all the others
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// ParseSize reads a number of bytes: 64MiB (1024s), 64MB (1000s), 100B or plain 1024.
func ParseSize(s string) (int64, error) {
	number, factor := s, int64(1)
	for _, u := range sizeUnits {
		if n, ok := strings.CutSuffix(s, u.name); ok {
			number, factor = n, u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(number, 10, 63)
	if err != nil || int64(n) > math.MaxInt64/factor {
		return 0, errSize
	}
	return int64(n) * factor, nil
}
