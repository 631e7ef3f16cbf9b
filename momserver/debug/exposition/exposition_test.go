package exposition

import (
	"fmt"
	"testing"

	"mom.internal/momserver/debug/exposition/expositiontest"
)

// TestEscaping writes the value of a label and a help text that would break the
// format if they were not escaped.
func TestEscaping(t *testing.T) {
	nasty := "a \"quoted\" \\ back\\nslash,\nand} a = line é"
	var x Writer
	x.Gauge("m", "help with \\ and\nline", 0.25, "a", nasty, "b", "plain", "c", "a\xff\x00é")
	all, err := expositiontest.Parse(x.String())
	if err != nil {
		t.Fatalf("%v\n%s", err, x.String())
	}
	m := all["m"]
	if key := fmt.Sprintf("m{a=%q,b=\"plain\",c=%q}", nasty, `a\xff\x00é`); m.Samples[key] != 0.25 || m.Help != `help with \\ and\nline` {
		t.Errorf("%+v; want %s", m, key)
	}
}
