//! Context-free grammars for models that generate structured text: programs, expressions, molecules.
//!
//! **Nothing is here yet.** The crate keeps the place and the name; what it will hold:
//!
//! * grammars from text: rules, terminals, a check that every symbol is reachable and ends;
//! * parsing into derivations and back, ambiguity counted;
//! * derivations as sequences of rules with the mask of rules that are allowed next, as decoders need it
//!   (Kusner, Paige & Hernández-Lobato, "Grammar Variational Autoencoder", 2017);
//! * exact counts of derivations by length and uniform samples from them;
//! * attribute grammars whose attributes restrict the mask while a text is generated
//!   (Dai, Tian, Dai, Skiena & Song, "Syntax-Directed Variational Autoencoder for Structured Data", 2018).
//!
//! It will work on flat arrays, without tensors; masks as tensors will come with a feature `burn`.
