// Package check looks at an installation of Locum as an operator would who knows every trap, and says what is wrong with
// it, where, why, and what to do: the configuration, the files around it, what is sealed, and, when it is asked to, the
// platforms themselves. It changes nothing anywhere: it creates no file, mends no mode, redeems no code and signs nobody
// in. What it has the running Locum ask by its credentials stands in that one's audit trail. It never prints a secret. Only
// the command line imports it.
package check
