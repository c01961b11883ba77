package app

// arrange sorts by insertion, equal ones in the order in which they came. What a page shows is short and mostly in order
// already, and the library's sort is ten times as much to download for each type that it sorts.
func arrange[T any](list []T, compare func(a, b T) int) {
	for i := 1; i < len(list); i++ {
		for j := i; j > 0 && compare(list[j], list[j-1]) < 0; j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
}
