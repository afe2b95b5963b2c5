package tokenauth

// What tests from outside borrow of the tests inside.
var (
	Prints     = prints     // everything a value prints as
	Renderings = renderings // every way in which bytes may be printed
	TestRSA    = testRSA    // one RSA key of 2048 bits, since making them is slow
)
