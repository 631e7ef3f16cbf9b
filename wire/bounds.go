package wire

// The bounds of what the gob of a peer may hold, whatever it is about. They
// leave room for what later versions of the protocol may add: no stream of this
// one has more than 16 types with 64 fields, in 1 KiB.
const (
	maxTypes           = 128      // type definitions in one stream
	maxFields          = 2048     // fields and elements that they define, in all
	maxDefinitionBytes = 32 << 10 // bytes of them, in all
	// maxElements bounds the elements of all slices in one value, slices of
	// bytes apart. A full [Filter] has 3,072, a full log [MaxLogEntries].
	maxElements = 4096
)
