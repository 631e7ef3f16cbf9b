package exclude

import "flag"

// Pattern returns the value of a flag that adds a pattern to the set each time
// it is given.
func (s *Set) Pattern() flag.Getter { return value(s.Add) }

// File returns the value of a flag that adds the patterns of a file to the set
// each time it is given.
func (s *Set) File() flag.Getter { return value(s.AddFile) }

// value is the value of a flag that only calls a function.
type value func(string) error

func (v value) Set(text string) error { return v(text) }
func (v value) String() string        { return "" }
func (v value) Get() any              { return nil }
