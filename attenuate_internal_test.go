package tokenauth

// Attenuate lends attenuate to the tests outside, which hold it against a rule for each member a million times.
var Attenuate = attenuate
