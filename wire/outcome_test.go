package wire

import (
	"encoding/json"
	"testing"
)

// TestOutcomes pins the numbers and the names, both ways.
func TestOutcomes(t *testing.T) {
	names := map[Outcome]string{Succeeded: "Succeeded", SucceededWithErrors: "SucceededWithErrors", Failed: "Failed", Cancelled: "Cancelled"}
	for i, o := range Outcomes() {
		if int(o) != i+1 || !o.Valid() || o.String() != names[o] {
			t.Errorf("outcome %d is %d, %v, %q", i+1, o, o.Valid(), o)
		}
		var back Outcome
		text, err := json.Marshal(o)
		if err != nil || json.Unmarshal(text, &back) != nil || back != o {
			t.Errorf("%v is %s in JSON, %v, and comes back as %v", o, text, err, back)
		}
	}
	if len(Outcomes()) != len(names) || Outcome(0).Valid() || Outcome(5).Valid() || Outcome(0).String() != "" || Outcome(5).String() != "Outcome(5)" {
		t.Errorf("%v, %q, %q", Outcomes(), Outcome(0), Outcome(5))
	}
	if o, err := ParseOutcome("succeededwithERRORS"); o != SucceededWithErrors || err != nil {
		t.Errorf("%v, %v", o, err)
	}
	for _, text := range []string{"", "done", "Outcome(5)"} {
		if o, err := ParseOutcome(text); err == nil {
			t.Errorf("%q is %v", text, o)
		}
	}
	o := Failed
	if err := o.UnmarshalText(nil); err != nil || o != 0 {
		t.Errorf("no text is %v, %v", o, err)
	}
}
