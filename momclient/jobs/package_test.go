package jobs

import (
	"slices"
	"testing"

	"mom.internal/wire"
)

// TestManyPackages: if a run has many more packages than the tracker keeps, the tracker
// keeps the failed ones, the slowest ones and the last ones, in their order.
func TestManyPackages(t *testing.T) {
	s := newScript(t, Options{})
	s.event(1, wire.JobInitialized)
	at := 0.0
	failed := []int{3, 4000}
	var slow []int
	for i := range sparedSlow {
		slow = append(slow, 1+400*i)
	}
	for n := range 10_000 {
		s.at(at).event(1, wire.PackageInitialized, of(n+1))
		if at += 0.1; slices.Contains(slow, n+1) {
			at += 5
		}
		state := wire.PackageCompleted
		if slices.Contains(failed, n+1) {
			state = wire.ImportingError
		}
		s.at(at).event(1, state, of(n+1), func(e *wire.Event) { e.Data.Status.Final = false })
	}
	r := s.run(1)
	if len(r.Packages) != MaxPackages || r.PackagesForgotten != 10_000-MaxPackages {
		t.Fatalf("%d packages, %d forgotten", len(r.Packages), r.PackagesForgotten)
	}
	var numbers []int
	for _, p := range r.Packages {
		numbers = append(numbers, p.Number)
	}
	for _, n := range append(failed, slow...) {
		if !slices.Contains(numbers, n) {
			t.Errorf("package %d is forgotten", n)
		}
	}
	if last := numbers[MaxPackages-1]; !slices.IsSorted(numbers) || last != 10_000 || numbers[MaxPackages-400] != 9601 {
		t.Errorf("%v", numbers)
	}
}

// TestManyFailedPackages: failed packages do not displace all others.
func TestManyFailedPackages(t *testing.T) {
	s := newScript(t, Options{})
	s.event(1, wire.JobInitialized)
	for n := range 2 * MaxPackages {
		s.event(1, wire.ImportingError, of(n+1), func(e *wire.Event) { e.Data.Status.Final = false })
	}
	if p := s.run(1).Packages; len(p) != MaxPackages || p[0].Number != 1 || p[sparedFailed-1].Number != sparedFailed || p[sparedFailed].Number != 601 || p[MaxPackages-1].Number != 2*MaxPackages {
		t.Errorf("%d packages, the first ones %d to %d", len(p), p[0].Number, p[sparedFailed-1].Number)
	}
}
