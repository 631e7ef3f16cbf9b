package output

import "fmt"

// Size formats n bytes: 512 B, 1.5 KiB, 3.0 GiB.
func Size(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v := float64(n) / 1024
	for _, unit := range []string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		if v < 1023.95 { // a larger v would be rounded to 1024.0
			return fmt.Sprintf("%.1f %s", v, unit)
		}
		v /= 1024
	}
	return fmt.Sprintf("%.1f EiB", v)
}
