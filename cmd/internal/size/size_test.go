package size

import (
	"flag"
	"io"
	"math"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		text string
		want int64
		back string
	}{
		{"0", 0, "0"}, {"0M", 0, "0"}, {"0.0", 0, "0"}, {"007", 7, "7"}, {"500001", 500001, "500001"}, {"12B", 12, "12"},
		{"64k", 65536, "64KiB"}, {"64K", 65536, "64KiB"}, {"64Ki", 65536, "64KiB"}, {"64KiB", 65536, "64KiB"}, {"64kB", 64000, "64kB"}, {"64KB", 64000, "64kB"},
		{"8M", 8 << 20, "8MiB"}, {"8MiB", 8 << 20, "8MiB"}, {"8MB", 8e6, "8MB"},
		{"1.5GiB", 3 << 29, "1536MiB"}, {"1.5GB", 1.5e9, "1500MB"}, {"2T", 2 << 40, "2TiB"}, {"3TB", 3e12, "3TB"}, {"1g", 1 << 30, "1GiB"},
		{"0.1k", 102, "102"}, {"1.999", 1, "1"}, {"0.0009765625K", 1, "1"},
		{"8388607T", 8388607 << 40, "8388607TiB"}, {"9223372036854775807", math.MaxInt64, "9223372036854775807"},
	} {
		var b Bytes
		var r, slash Rate
		if err := b.Set(tc.text); err != nil || int64(b) != tc.want || b.String() != tc.back || b.Get() != b {
			t.Errorf("%q: %d %v %v; want %d %v", tc.text, b, &b, err, tc.want, tc.back)
		}
		if err := r.Set(tc.text); err != nil || int64(r) != tc.want || r.Get() != r {
			t.Errorf("%q: %d %v", tc.text, r, err)
		}
		if err := slash.Set(tc.text + "/s"); err != nil || slash != r || strings.TrimSuffix(slash.String(), "/s") != tc.back {
			t.Errorf("%q/s: %v %v", tc.text, &slash, err)
		}
	}
}

// TestErrors leaves the value as it is, and says what is wanted.
func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"": "8MiB", "-1": "8MiB", "+1": "8MiB", "1e6": "8MiB", "0x10": "8MiB", "1_000": "8MiB", "1,5G": "8MiB", ".5G": "8MiB", "1.G": "8MiB", "M": "8MiB", "8 M": "8MiB", " 8M": "8MiB",
		"8Mb": "8MiB", "8mib": "8MiB", "8iB": "8MiB", "8KK": "8MiB", "8P": "8MiB", "8M/s": "8MiB", "8MiB\n": "8MiB", "8MiBB": "8MiB",
		"8388608T": "less than 8388608T", "9223372036854775808": "less than", "9999999999999999999999G": "less than",
		"0.5": "less than one byte", "0.0009K": "less than one byte",
	} {
		b := Bytes(7)
		if err := b.Set(text); err == nil || b != 7 || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %d; want %q", text, err, b, want)
		}
	}
	for _, text := range []string{"/s", "8M/", "8M/m", "8M/s/s", "8/sM"} {
		if err := new(Rate).Set(text); err == nil {
			t.Errorf("%q is a rate", text)
		}
	}
}

// TestFlag sets a field through a flag, which has the field's value as its
// default.
func TestFlag(t *testing.T) {
	field := int64(8 << 20)
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Var((*Bytes)(&field), "package-bytes", "")
	if got := fs.Lookup("package-bytes").DefValue; got != "8MiB" {
		t.Errorf("the default is %s", got)
	}
	if err := fs.Parse([]string{"-package-bytes", "1M"}); err != nil || field != 1<<20 {
		t.Error(field, err)
	}
	if err := fs.Parse([]string{"-package-bytes", "many"}); err == nil || !strings.Contains(err.Error(), `"many" for flag -package-bytes: want a number of bytes`) {
		t.Error(err)
	}
}

// FuzzRoundTrip parses what String prints.
func FuzzRoundTrip(f *testing.F) {
	for _, text := range []string{"0", "1", "64k", "1.5GiB", "8MB", "8388607T", "1.23456789TB", "-1", "1e6", "0.1"} {
		f.Add(text, int64(len(text)))
	}
	f.Add("", int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, text string, n int64) {
		var from, again Bytes
		if from.Set(text) == nil {
			if err := again.Set(from.String()); err != nil || again != from || from < 0 {
				t.Errorf("%q is %d, printed as %v: %d, %v", text, from, &from, again, err)
			}
		}
		rate, back := Rate(max(n, -(n+1))), Rate(0)
		if err := back.Set(rate.String()); err != nil || back != rate {
			t.Errorf("%d is printed as %v: %d, %v", rate, &rate, back, err)
		}
	})
}
