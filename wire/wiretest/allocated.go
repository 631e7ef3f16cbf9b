package wiretest

import "runtime"

// Allocated returns the bytes of heap that the process has allocated so far,
// exactly. It stops the process for a moment.
func Allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
