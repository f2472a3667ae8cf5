//! What a schema says.

/// Most fields of an object.
pub const MAX_FIELDS: usize = 64;

/// What a value has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schema {
    /// Anything.
    Any,
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number without fraction and exponent.
    Integer,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array of such values.
    Array(Box<Schema>),
    /// An object with these fields and no others.
    Object(Vec<Field>),
}

/// A field of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its key.
    pub name: String,
    /// What its value has to be.
    pub schema: Schema,
    /// Whether it has to be there.
    pub required: bool,
}

impl Field {
    /// A field that has to be there.
    #[must_use]
    pub fn required(name: &str, schema: Schema) -> Self {
        Self {
            name: name.into(),
            schema,
            required: true,
        }
    }

    /// A field that may be there.
    #[must_use]
    pub fn optional(name: &str, schema: Schema) -> Self {
        Self {
            name: name.into(),
            schema,
            required: false,
        }
    }
}
