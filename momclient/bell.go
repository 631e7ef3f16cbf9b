package momclient

// bell wakes the goroutine that receives from it. It stays rung until then, so
// that no ring is lost.
type bell chan struct{}

func newBell() bell { return make(bell, 1) }

func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}
