package strictyaml

import "strings"

// Suggest gives the known name that name was most likely meant to be, or "".
func Suggest(name string, known []string) string {
	best, near := "", 0
	for _, k := range known {
		longer := max(len(name), len(k))
		limit := min(1+longer/5, 3)
		if longer > 100 || len(name) > len(k)+limit || len(k) > len(name)+limit {
			continue
		}
		d := distance(plainName(name), plainName(k))
		if d <= limit && d < len(name) && (best == "" || d < near) {
			best, near = k, d
		}
	}
	return best
}

// Case and separators are what people get wrong first: clientID and client-id are client_id.
func plainName(s string) string {
	return strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(s))
}

// distance counts the letters to insert, drop, replace or swap with their neighbour.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			same := 1
			if a[i-1] == b[j-1] {
				same = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+same)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
