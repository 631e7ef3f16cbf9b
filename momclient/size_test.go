package momclient

import (
	"testing"

	"mom.internal/wire"
)

// TestEventSize adds each text of an event, and what a run has in common once for
// the events of it that follow one another.
func TestEventSize(t *testing.T) {
	run := &wire.InitializeData{Name: "1", SourcePath: "22", DestinationPath: "4444", DestinationRoot: "88888888"}
	other := &wire.InitializeData{}
	var s eventSize
	sum := 0
	for i, step := range []struct {
		data wire.TransferData
		want int
	}{
		{wire.TransferData{}, 1024},
		{wire.TransferData{Initialize: run}, 1024 + 256 + 15},
		{wire.TransferData{Initialize: run}, 1024},
		{wire.TransferData{Initialize: other}, 1024 + 256},
		{wire.TransferData{Initialize: run}, 1024 + 256 + 15},
		{wire.TransferData{Header: &wire.PackageHeader{TargetFilePath: "333"}, Body: &wire.PackageBody{Item: "55555"}}, 1024 + 8},
		{wire.TransferData{Status: wire.Status{Log: []wire.LogEntry{{Item: "1", Message: "22"}, {}}}}, 1024 + 2*64 + 3},
	} {
		sum += step.want
		if got := s.add(&wire.Event{Data: step.data}); got != sum {
			t.Errorf("event %d: %d bytes in all; want %d", i, got, sum)
		}
	}
}
