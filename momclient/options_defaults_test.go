package momclient

import (
	"reflect"
	"testing"

	"mom.internal/wire/wiretest/source"
)

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
