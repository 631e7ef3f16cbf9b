package momclient

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"mom.internal/wire/wiretest/source"
)

// TestJitter: the jitter takes off anything from zero to the limit, both
// included. A Period of a nanosecond has a limit of zero.
func TestJitter(t *testing.T) {
	jitter := Options{}.withDefaults().Jitter
	for limit := range time.Duration(3) {
		seen := make([]bool, limit+1)
		for range 1000 { // with a chance of less than 2^-500 that one of them is not drawn
			seen[jitter(limit)] = true
		}
		if slices.Contains(seen, false) {
			t.Errorf("up to %d: drawn were %v", limit, seen)
		}
	}
}

// largest returns the largest value of a field's type.
func largest(field reflect.Value) int64 { return 1<<(field.Type().Bits()-1) - 1 }

// TestDefaults wants for each number and time of Options the default that its
// comment names, for zero and below, and for the largest what the comment has
// as the most.
func TestDefaults(t *testing.T) {
	said := source.Comments(t, "options.go", "Options")
	for _, sign := range []int64{0, -1, 1} {
		var opts Options
		settings := reflect.ValueOf(&opts).Elem()
		names := source.Numbers(settings.Type())
		for _, name := range names {
			if f := settings.FieldByName(name); f.CanInt() {
				f.SetInt(sign * largest(f))
			}
		}
		filled := reflect.ValueOf(opts.withDefaults())
		for _, name := range names {
			f, want := filled.FieldByName(name), said[name]
			switch {
			case !f.CanInt(): // a choice
			case want.Default == 0:
				t.Errorf("the comment of Options.%s names no default", name)
			case sign <= 0 && f.Int() != want.Default:
				t.Errorf("Options.%s is %d by default; its comment says %d", name, f.Int(), want.Default)
			case sign > 0 && want.Most > 0 && f.Int() != want.Most, sign > 0 && want.Most == 0 && f.Int() != largest(f):
				t.Errorf("Options.%s is %d at most; its comment says %d", name, f.Int(), want.Most)
			}
		}
	}
}
