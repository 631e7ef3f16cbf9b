package wire

// BoundNames are what the owner of a [Conn] calls its bounds, so that an error
// says which setting was hit. Each may be empty.
type BoundNames struct{ MaxMessage, WriteTimeout, MessageTimeout string }

// named returns the name of a bound as the end of a sentence.
func named(bound string) string {
	if bound == "" {
		return ""
	}
	return " (" + bound + ")"
}
