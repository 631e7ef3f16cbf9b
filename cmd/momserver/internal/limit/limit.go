// Package limit has the value of -max-delete. Only momserver uses it.
package limit

import (
	"errors"
	"math"
	"regexp"
	"strconv"
)

// Deletions bounds how many files of the destination one run may delete: a
// number of files, or a percentage of those that are there. The zero Deletions
// is 50%. A *Deletions is a flag.Getter.
type Deletions struct {
	text    string // as it was given; "" for the default
	percent bool
	n       float64
}

// few is the number of deletions that every percentage except 0% allows. If there
// are few files, users often delete half of them on purpose.
const few = 10

// form matches a number of files, or a percentage.
var form = regexp.MustCompile(`^(?:([0-9]{1,15})|([0-9]{1,3}(?:\.[0-9]{1,6})?)%)$`)

var errForm = errors.New("want a number of files, as 1000, or a percentage of the files at the destination from 0% to 100%")

// Set parses a number of files or a percentage.
func (d *Deletions) Set(text string) error {
	m := form.FindStringSubmatch(text)
	if m == nil {
		return errForm
	}
	n, _ := strconv.ParseFloat(m[1]+m[2], 64) // form matches only numbers that can be parsed
	if m[2] != "" && n > 100 {
		return errForm
	}
	*d = Deletions{text: text, percent: m[2] != "", n: n}
	return nil
}

// Get returns the Deletions.
func (d *Deletions) Get() any { return *d }

// String returns the value as it was given, or the default.
func (d *Deletions) String() string {
	if d.text == "" {
		return "50%"
	}
	return d.text
}

// Allows reports whether a run may delete this number of the files at the
// destination.
func (d *Deletions) Allows(deletions, files int) bool {
	percent, n := d.percent, d.n
	if d.text == "" {
		percent, n = true, 50
	}
	if percent && n > 0 {
		// A percentage of 6 decimals is a whole number of millionths.
		n = max(few, math.Floor(float64(files)*math.Round(n*1e6)/1e8))
	}
	return float64(deletions) <= n
}
