// Package size has the values of flags that are a number of bytes, such as 8M, or a
// number of bytes per second, such as 1.5MiB/s.
//
// K, Ki and KiB are 1024 bytes, and kB is 1000 bytes. M, G and T follow the same
// rule. So a letter alone means the same as for rsync and dd. The letter may be in
// lower case, but the B may not, because b often stands for bits.
package size

import (
	"errors"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// Bytes is a number of bytes. A *Bytes is a flag.Getter.
type Bytes int64

// Set parses the number. A fraction of a byte is cut off.
func (b *Bytes) Set(text string) error { return set((*int64)(b), text) }

// Get returns the Bytes.
func (b *Bytes) Get() any { return *b }

// String returns the number in the largest unit that divides it.
func (b *Bytes) String() string { return format(int64(*b)) }

// Rate is a number of bytes per second. A *Rate is a flag.Getter.
type Rate int64

// Set parses the number, with or without /s after it. A fraction of a byte is
// cut off.
func (r *Rate) Set(text string) error {
	return set((*int64)(r), strings.TrimSuffix(text, "/s"))
}

// Get returns the Rate.
func (r *Rate) Get() any { return *r }

// String returns the number in the largest unit that divides it.
func (r *Rate) String() string {
	s := format(int64(*r))
	if s != "0" {
		s += "/s"
	}
	return s
}

// units has the units that format uses, the largest first.
var units = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"TB", 1e12}, {"GiB", 1 << 30}, {"GB", 1e9},
	{"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"kB", 1e3},
}

// format returns a text that set parses.
func format(n int64) string {
	for _, u := range units {
		if n != 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// form matches a number with its unit. The groups are the number, the letter of the
// unit, and the rest of the unit, which is B for powers of 1000.
var form = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)(?:([kKmMgGtT])(|i|iB|B)|B?)$`)

var (
	errForm     = errors.New("want a number of bytes, as 65536, 64K, 8MiB or 1.5GB (K, Ki and KiB are 1024, kB are 1000)")
	errLarge    = errors.New("too large; want less than 8388608T")
	errFraction = errors.New("less than one byte; want 0 or more, as 65536 or 64K")
)

func set(n *int64, text string) error {
	m := form.FindStringSubmatch(text)
	if m == nil {
		return errForm
	}
	base := int64(1024)
	if m[3] == "B" {
		base = 1000
	}
	bytes, _ := new(big.Rat).SetString(m[1])
	for range strings.Index("-kmgt", strings.ToLower(m[2])) { // 0 without a letter
		bytes.Mul(bytes, new(big.Rat).SetInt64(base))
	}
	whole := new(big.Int).Quo(bytes.Num(), bytes.Denom())
	switch {
	case !whole.IsInt64():
		return errLarge
	case whole.Sign() == 0 && bytes.Sign() > 0: // 0 could mean something else, such as no limit
		return errFraction
	}
	*n = whole.Int64()
	return nil
}
