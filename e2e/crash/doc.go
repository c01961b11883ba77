// Package crash holds what happens to Locum when the machine lets it down: the released binary, run as an operator runs
// it, is killed at any moment and given a disk that fails, and an outside model of what it has acknowledged is held
// against what it still knows afterwards. It has tests alone; nothing imports it.
package crash
