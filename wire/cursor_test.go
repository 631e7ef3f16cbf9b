package wire

import (
	"strings"
	"testing"

	"github.com/google/uuid"
)

var testEpoch = uuid.MustParse("0b49b7e6-3df0-4ad0-a9d1-9a4b21f1b1e4")

func TestCursorText(t *testing.T) {
	for _, seq := range []uint64{0, 1, 42, 1<<64 - 1} {
		c := Cursor{Epoch: testEpoch, Seq: seq}
		back, err := ParseCursor(c.String())
		if err != nil || back != c {
			t.Errorf("%v comes back as %v, %v", c, back, err)
		}
	}
	if got, want := (Cursor{testEpoch, 42}).String(), "0b49b7e6-3df0-4ad0-a9d1-9a4b21f1b1e4/42"; got != want {
		t.Errorf("String() = %q; want %q", got, want)
	}
	const epoch = "0b49b7e6-3df0-4ad0-a9d1-9a4b21f1b1e4"
	for _, text := range []string{
		"", "/", "42", epoch, epoch + "/", "/42", epoch + "/-1", epoch + "/+1", epoch + "/1.5", epoch + "/42/", epoch + " /42",
		epoch + "/42\n", epoch + "/18446744073709551616", epoch[1:] + "/42", "{" + epoch + "}/42", "urn:uuid:" + epoch + "/42",
		strings.ReplaceAll(epoch, "-", "") + "/42", uuid.Nil.String() + "/42", strings.Repeat("x", 1<<20) + "/" + strings.Repeat("9", 1<<20),
	} {
		c, err := ParseCursor(text)
		if err == nil || c != (Cursor{}) {
			t.Errorf("ParseCursor(%.80q) = %v, %v; want an error", text, c, err)
		} else if len(err.Error()) > 300 {
			t.Errorf("the error grows with its input: %d bytes", len(err.Error()))
		}
	}
}

func TestCursorIsZero(t *testing.T) {
	for c, want := range map[Cursor]bool{{}: true, {Seq: 5}: true, {Epoch: testEpoch}: false, {testEpoch, 5}: false} {
		if c.IsZero() != want {
			t.Errorf("%v.IsZero() = %v", c, !want)
		}
	}
}
