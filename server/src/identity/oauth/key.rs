//! One public key of an issuer, with the one algorithm that it signs with.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use thiserror::Error;

use super::algorithm::{Algorithm, Verifies};

/// Bits of a modulus: fewer can be factored, more take longer than a token is worth.
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The longest name of a key.
const MAX_NAME_BYTES: usize = 256;

/// Why a key of a document verifies nothing here.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum KeyError {
    #[error("it is no key as RFC 7517 has them")]
    Unreadable,
    #[error("it is not for signatures")]
    OtherUse,
    #[error("its type, curve or algorithm is none of those that are taken")]
    OtherAlgorithm,
    #[error("its modulus has {0} bits")]
    Size(usize),
    #[error("it is private, and everybody can read it")]
    Private,
}

/// A key as RFC 7517 and RFC 7518, section 6, write it.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<IgnoredAny>,
}

/// A key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) name: Option<String>,
    pub(super) algorithm: Algorithm,
    material: Material,
}

#[derive(Debug, PartialEq, Eq)]
enum Material {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    Point(Vec<u8>),
}

impl Key {
    /// Reads a key of a document.
    pub(super) fn read(jwk: &Value) -> Result<Self, KeyError> {
        let jwk = Jwk::deserialize(jwk).map_err(|_| KeyError::Unreadable)?;
        if jwk.d.is_some() {
            return Err(KeyError::Private);
        }
        let is_for_verifying = jwk.key_ops.as_ref().is_none_or(|uses| uses.iter().any(|what| what == "verify"));
        if jwk.purpose.as_deref().is_some_and(|purpose| purpose != "sig") || !is_for_verifying {
            return Err(KeyError::OtherUse);
        }
        if jwk.kid.as_ref().is_some_and(|name| name.len() > MAX_NAME_BYTES) {
            return Err(KeyError::Unreadable);
        }
        let said = jwk.alg.as_deref().map(|name| Algorithm::from_name(name).ok_or(KeyError::OtherAlgorithm));
        let said = said.transpose()?;
        let (algorithm, material) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => {
                // A key of two algorithms is one of none, so one that says nothing has the usual one.
                let algorithm = said.unwrap_or(Algorithm::Rs256);
                let modulus = number(jwk.n.as_deref())?;
                let bits = modulus.first().map_or(0, |first| 8 * modulus.len() - first.leading_zeros() as usize);
                if !MODULUS_BITS.contains(&bits) {
                    return Err(KeyError::Size(bits));
                }
                (algorithm, Material::Rsa { modulus, exponent: number(jwk.e.as_deref())? })
            }
            ("EC", Some("P-256")) => (Algorithm::Es256, point(&jwk, 32)?),
            ("EC", Some("P-384")) => (Algorithm::Es384, point(&jwk, 48)?),
            ("OKP", Some("Ed25519")) => {
                let point = bytes(jwk.x.as_deref())?;
                if point.len() != 32 {
                    return Err(KeyError::Unreadable);
                }
                (Algorithm::EdDsa, Material::Point(point))
            }
            _ => return Err(KeyError::OtherAlgorithm),
        };
        // A key of one type that says the algorithm of another is for neither.
        let is_rsa = matches!(material, Material::Rsa { .. });
        let fits = if is_rsa {
            matches!(algorithm.verifies(), Verifies::Rsa(_))
        } else {
            said.is_none_or(|said| said == algorithm)
        };
        if !fits {
            return Err(KeyError::OtherAlgorithm);
        }
        Ok(Self { name: jwk.kid, algorithm, material })
    }

    /// Whether this key signed `message` with that signature.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match (self.algorithm.verifies(), &self.material) {
            (Verifies::Rsa(parameters), Material::Rsa { modulus, exponent }) => {
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(parameters, message, signature).is_ok()
            }
            (Verifies::Point(algorithm), Material::Point(point)) => {
                UnparsedPublicKey::new(algorithm, point).verify(message, signature).is_ok()
            }
            _ => false,
        }
    }
}

fn bytes(text: Option<&str>) -> Result<Vec<u8>, KeyError> {
    text.and_then(|text| BASE64_URL_SAFE_NO_PAD.decode(text).ok()).ok_or(KeyError::Unreadable)
}

/// A number without the zeros before it, which some servers write.
fn number(text: Option<&str>) -> Result<Vec<u8>, KeyError> {
    let bytes = bytes(text)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Ok(bytes[zeros..].to_vec())
}

/// A point by both coordinates, uncompressed (SEC 1, section 2.3.3).
fn point(jwk: &Jwk, length: usize) -> Result<Material, KeyError> {
    let (x, y) = (bytes(jwk.x.as_deref())?, bytes(jwk.y.as_deref())?);
    if x.len() != length || y.len() != length {
        return Err(KeyError::Unreadable);
    }
    Ok(Material::Point([&[4], x.as_slice(), y.as_slice()].concat()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Signer, encode};
    use super::*;

    #[test]
    fn a_key_verifies_what_its_own_half_signed_and_nothing_else() {
        for algorithm in Algorithm::ALL {
            let signer = Signer::new(algorithm);
            let key = Key::read(&signer.jwk("k")).unwrap();
            assert_eq!((key.algorithm, key.name.as_deref()), (algorithm, Some("k")));
            let token = signer.token("k", &json!({}));
            let (message, signature) = token.rsplit_once('.').unwrap();
            let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
            assert!(key.verifies(message.as_bytes(), &signature), "{algorithm:?}");
            let other = format!("{message}x");
            assert!(!key.verifies(other.as_bytes(), &signature), "{algorithm:?}");
            for place in [0, signature.len() / 2, signature.len() - 1] {
                let mut changed = signature.clone();
                changed[place] ^= 1;
                assert!(!key.verifies(message.as_bytes(), &changed), "{algorithm:?}");
            }
            for changed in [&signature[1..], &[], &[0; 64], &[0; 256]] {
                assert!(!key.verifies(message.as_bytes(), changed), "{algorithm:?}");
            }
        }
    }

    #[test]
    fn a_key_has_one_algorithm() {
        let rsa = Signer::new(Algorithm::Rs256).jwk("k");
        let read = |jwk: &Value, alg: Option<&str>| {
            let mut jwk = jwk.clone();
            match alg {
                Some(alg) => jwk["alg"] = alg.into(),
                None => drop(jwk.as_object_mut().unwrap().remove("alg")),
            }
            Key::read(&jwk).map(|key| key.algorithm)
        };
        assert_eq!(read(&rsa, None), Ok(Algorithm::Rs256));
        assert_eq!(read(&rsa, Some("PS256")), Ok(Algorithm::Ps256));
        for (algorithm, name) in [(Algorithm::Es256, "ES256"), (Algorithm::Es384, "ES384"), (Algorithm::EdDsa, "EdDSA")]
        {
            let jwk = Signer::new(algorithm).jwk("k");
            assert_eq!(read(&jwk, None), Ok(algorithm));
            assert_eq!(read(&jwk, Some(name)), Ok(algorithm));
            assert_eq!(read(&rsa, Some(name)), Err(KeyError::OtherAlgorithm));
            assert_eq!(read(&jwk, Some("RS256")), Err(KeyError::OtherAlgorithm));
        }
        assert_eq!(read(&Signer::new(Algorithm::Es256).jwk("k"), Some("ES384")), Err(KeyError::OtherAlgorithm));
        for name in ["none", "HS256", "RSA-OAEP", "RS512", ""] {
            assert_eq!(read(&rsa, Some(name)), Err(KeyError::OtherAlgorithm), "{name}");
        }
    }

    #[test]
    fn a_key_that_is_not_for_this_is_left_out() {
        let good = Signer::new(Algorithm::Es256).jwk("k");
        let rsa = Signer::new(Algorithm::Rs256).jwk("k");
        let with = |jwk: &Value, name: &str, value: Value| {
            let mut jwk = jwk.clone();
            jwk[name] = value;
            Key::read(&jwk).map(|_| ())
        };
        assert_eq!(with(&good, "key_ops", json!(["verify"])), Ok(()));
        assert_eq!(with(&good, "use", json!("enc")), Err(KeyError::OtherUse));
        assert_eq!(with(&good, "key_ops", json!(["sign"])), Err(KeyError::OtherUse));
        assert_eq!(with(&good, "d", json!("AQ")), Err(KeyError::Private));
        assert_eq!(with(&good, "kty", json!("oct")), Err(KeyError::OtherAlgorithm));
        assert_eq!(with(&good, "crv", json!("P-521")), Err(KeyError::OtherAlgorithm));
        assert_eq!(with(&good, "crv", json!("P-384")), Err(KeyError::Unreadable));
        assert_eq!(with(&good, "x", json!(encode(&[1; 31]))), Err(KeyError::Unreadable));
        assert_eq!(with(&good, "y", json!(null)), Err(KeyError::Unreadable));
        assert_eq!(with(&good, "kid", json!(1)), Err(KeyError::Unreadable));
        assert_eq!(with(&good, "kid", json!("k".repeat(257))), Err(KeyError::Unreadable));
        let of_bits = |bits: usize| with(&rsa, "n", json!(encode(&vec![0xff; bits / 8])));
        assert_eq!((of_bits(2048), of_bits(8192)), (Ok(()), Ok(())));
        assert_eq!((of_bits(1024), of_bits(16384)), (Err(KeyError::Size(1024)), Err(KeyError::Size(16384))));
        let padded = [vec![0; 300], vec![0xff; 128]].concat();
        assert_eq!(with(&rsa, "n", json!(encode(&padded))), Err(KeyError::Size(1024)));
        for jwk in [json!(null), json!([]), json!({}), json!("x")] {
            assert_eq!(Key::read(&jwk), Err(KeyError::Unreadable));
        }
    }
}
