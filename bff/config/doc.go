// Package config reads Locum's one configuration file, strictly: unknown keys, inline secrets and values that cannot
// work are findings with their line, all of them at once, each with its next step. It turns the file into values and
// never opens a network connection, never reads the environment and never holds a secret. Only the command and the
// demo import it; nothing else in Locum reads configuration.
package config
