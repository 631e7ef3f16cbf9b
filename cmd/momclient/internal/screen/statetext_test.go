package screen

import (
	"math"
	"testing"
	"time"
)

// TestWords checks the words and their widths.
func TestWords(t *testing.T) {
	most := "9999M"
	if math.MaxInt == math.MaxInt32 {
		most = "2147M"
	}
	for _, tc := range []struct{ got, want string }{
		{ageWord(-time.Second), "0s"}, {ageWord(59 * time.Second), "59s"}, {ageWord(time.Hour - 1), "59m"}, {ageWord(47 * time.Hour), "47h"}, {ageWord(999 * 24 * time.Hour), "999d"}, {ageWord(1 << 62), "old"},
		{leftWord(0), ""}, {leftWord(59), "59s"}, {leftWord(65), "1m05s"}, {leftWord(3599), "59m59s"}, {leftWord(3720), "1h02m"}, {leftWord(30 * 24 * 3600), "30d00h"},
		{rateWord(0), ""}, {rateWord(999), "999 B/s"}, {rateWord(1000), "1.0 KiB/s"}, {rateWord(60_000), "58.6 KiB/s"}, {rateWord(600_000), "586 KiB/s"}, {rateWord(1_023_000), "999 KiB/s"}, {rateWord(1_024_000), "1.0 MiB/s"}, {rateWord(1 << 62), "4.0 EiB/s"},
		{sizeWord(-5), "0 B"}, {sizeWord(15 << 20), "15.0 MiB"},
		{countWord(9_999), "9999"}, {countWord(82_470), "82k"}, {countWord(math.MaxInt), most}, {countWord(math.MinInt), "?"},
		{ofWord(3, 12), "3/12"}, {ofWord(3, 0), "3"}, {ofWord(0, 0), ""}, {ofWord(8247, 9999), "8247/9999"}, {ofWord(8247, 10_000), "8k/10k"}, {ofWord(824, 10_000), "824/10k"}, {ofWord(82_470, 100_000), "82k/100k"},
		{tookWord(12 * time.Millisecond), "12ms"}, {tookWord(1500 * time.Millisecond), "1.5s"}, {tookWord(65 * time.Second), "1m05s"}, {tookWord(-1), "0ms"},
	} {
		if tc.got != tc.want {
			t.Errorf("%q; want %q", tc.got, tc.want)
		}
	}
}
