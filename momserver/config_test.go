package momserver

import (
	"reflect"
	"testing"
	"time"

	"mom.internal/wire/wiretest/source"
)

// largest returns the largest value of a field's type.
func largest(field reflect.Value) int64 { return 1<<(field.Type().Bits()-1) - 1 }

// TestShortestHeartbeat is what a greeting can say, as the comment has it.
func TestShortestHeartbeat(t *testing.T) {
	for _, d := range []time.Duration{1, time.Millisecond - 1, time.Millisecond, time.Millisecond + 1} {
		if got := (Config{Heartbeat: d}).withDefaults().Heartbeat; got != max(d, time.Millisecond) {
			t.Errorf("%v becomes %v", d, got)
		}
	}
}

// TestDefaults wants for each number and time of Config the default that its
// comment names, for zero and below, and for the largest what the comment has
// as the most.
func TestDefaults(t *testing.T) {
	said := source.Comments(t, "config.go", "Config")
	said["MaxConnsPerAddr"] = said["MaxConns"] // as its comment says
	names := source.Numbers(reflect.TypeFor[Config]())
	for _, sign := range []int64{0, -1, 1} {
		var cfg Config
		settings := reflect.ValueOf(&cfg).Elem()
		for _, name := range names {
			settings.FieldByName(name).SetInt(sign * largest(settings.FieldByName(name)))
		}
		filled := reflect.ValueOf(cfg.withDefaults())
		for _, name := range names {
			want, ok := said[name]
			switch got := filled.FieldByName(name).Int(); {
			case !ok:
				t.Errorf("the comment of Config.%s names no default", name)
			case sign <= 0 && got != want.Default:
				t.Errorf("Config.%s is %d by default; its comment says %d", name, got, want.Default)
			case sign > 0 && want.Most > 0 && got != want.Most, sign > 0 && want.Most == 0 && got != largest(filled.FieldByName(name)):
				t.Errorf("Config.%s is %d at most; its comment says %d", name, got, want.Most)
			}
		}
	}
}
