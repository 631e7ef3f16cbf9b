package output

import "time"

// Took formats how long something took: 40ms, 9.5s, 3m5s.
func Took(d time.Duration) string {
	switch {
	case d < time.Second:
		return max(time.Millisecond, d.Round(time.Millisecond)).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
