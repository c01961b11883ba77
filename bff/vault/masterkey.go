package vault

import "locum/bff/secret"

type MasterKey struct{ key secret.String }

type KeyFileError struct {
	Path, Reason string
	Err          error
}

func (e *KeyFileError) Error() string { return "vault: key file " + e.Path + ": " + e.Reason }
func (e *KeyFileError) Unwrap() error { return e.Err }

func CreateKeyFile(path string) error            { panic("todo") }
func ReadKeyFile(path string) (MasterKey, error) { panic("todo") }
