//! The algorithms that a token may be signed with. There is none without a
//! signature and none with a shared secret, so no setting and no token can ask for one.

use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaParameters, VerificationAlgorithm,
};

/// An algorithm, by its name in RFC 7518 and RFC 8037.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Ps256,
    Es256,
    Es384,
    EdDsa,
}

/// What verifies by an algorithm.
pub(super) enum Verifies {
    /// A key of RSA, with modulus and exponent.
    Rsa(&'static RsaParameters),
    /// A key that is a point of a curve.
    Point(&'static dyn VerificationAlgorithm),
}

impl Algorithm {
    pub(super) const ALL: [Self; 5] = [Self::Rs256, Self::Ps256, Self::Es256, Self::Es384, Self::EdDsa];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of that name, letter by letter.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    pub(super) fn verifies(self) -> Verifies {
        match self {
            Self::Rs256 => Verifies::Rsa(&RSA_PKCS1_2048_8192_SHA256),
            Self::Ps256 => Verifies::Rsa(&RSA_PSS_2048_8192_SHA256),
            Self::Es256 => Verifies::Point(&ECDSA_P256_SHA256_FIXED),
            Self::Es384 => Verifies::Point(&ECDSA_P384_SHA384_FIXED),
            Self::EdDsa => Verifies::Point(&ED25519),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_algorithm_without_a_key_of_its_own() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
        }
        for name in ["none", "None", "nOnE", "", "HS256", "HS384", "HS512", "rs256", "RS256 ", "RS1", "ES256K"] {
            assert_eq!(Algorithm::from_name(name), None, "{name}");
        }
    }
}
