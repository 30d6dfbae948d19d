//go:build !linux && !darwin && !freebsd

package doctor

// Limits knows nothing here.
func Limits(string) Machine { return Machine{} }
