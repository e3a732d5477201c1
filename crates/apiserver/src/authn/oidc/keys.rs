//! An issuer's published keys (a JSON Web Key Set), and signatures by them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::Value;

/// More keys are not kept.
const KEYS_MAX: usize = 64;

/// What can be checked here.
pub(super) const ALGORITHMS: [&str; 8] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384"];

/// The keys that are of use.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: String,
    material: Material,
}

#[derive(Debug)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// A point without compression, and its curve.
    Curve {
        curve: String,
        point: Vec<u8>,
    },
}

impl Keys {
    /// What is not known is left out.
    pub(super) fn read(set: &Value) -> Self {
        let keys = set["keys"].as_array().into_iter().flatten();
        Self(keys.filter_map(key).take(KEYS_MAX).collect())
    }

    /// Is there a key of this id?
    pub(super) fn has(&self, id: &str) -> bool {
        id.is_empty() || self.0.iter().any(|key| key.id == id)
    }

    /// Is it signed by a key of this id, or by any where there is none?
    pub(super) fn verify(&self, alg: &str, id: &str, signed: &[u8], signature: &[u8]) -> bool {
        let named = self.0.iter().filter(|key| id.is_empty() || key.id == id);
        named.into_iter().any(|key| key.material.verify(alg, signed, signature))
    }
}

fn key(stored: &Value) -> Option<Key> {
    if !matches!(stored["use"].as_str(), None | Some("sig")) {
        return None;
    }
    let part = |name: &str| URL_SAFE_NO_PAD.decode(stored[name].as_str()?).ok();
    let material = match stored["kty"].as_str()? {
        "RSA" => Material::Rsa { n: part("n")?, e: part("e")? },
        "EC" => Material::Curve {
            curve: stored["crv"].as_str()?.to_owned(),
            point: [vec![4], part("x")?, part("y")?].concat(),
        },
        _ => return None,
    };
    Some(Key { id: stored["kid"].as_str().unwrap_or("").to_owned(), material })
}

impl Material {
    fn verify(&self, alg: &str, signed: &[u8], signed_with: &[u8]) -> bool {
        match self {
            Self::Rsa { n, e } => rsa(alg).is_some_and(|parameters| {
                RsaPublicKeyComponents { n, e }.verify(parameters, signed, signed_with).is_ok()
            }),
            Self::Curve { curve, point } => {
                let algorithm = match (alg, curve.as_str()) {
                    ("ES256", "P-256") => &signature::ECDSA_P256_SHA256_FIXED,
                    ("ES384", "P-384") => &signature::ECDSA_P384_SHA384_FIXED,
                    _ => return false,
                };
                UnparsedPublicKey::new(algorithm, point).verify(signed, signed_with).is_ok()
            }
        }
    }
}

fn rsa(alg: &str) -> Option<&'static RsaParameters> {
    Some(match alg {
        "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
        "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
        "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
        "PS256" => &signature::RSA_PSS_2048_8192_SHA256,
        "PS384" => &signature::RSA_PSS_2048_8192_SHA384,
        "PS512" => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}
