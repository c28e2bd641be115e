#include "crypto/certificate.h"

#include <stdio.h>

#include "crypto/openssl.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/random.h"

static void free_key(EVP_PKEY **k)
{
    EVP_PKEY_free(*k);
}

static void free_cert(X509 **c)
{
    X509_free(*c);
}

static bool is_address(const char *name)
{
    ASN1_OCTET_STRING *ip = a2i_IPADDRESS(name);
    bool is = ip != NULL;

    ASN1_OCTET_STRING_free(ip);
    return is;
}

static bool is_host(const char *name)
{
    size_t n = strlen(name);

    return n > 0 && n <= 200 && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-*") == n;
}

static bool add_extension(X509 *c, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    bool good = e != NULL && X509_add_ext(c, e, -1) == 1;

    X509_EXTENSION_free(e);
    return good;
}

static bool add_names(X509 *c, const char *const *names, size_t n)
{
    struct buf b = BUF_INIT(4096);
    bool good;

    for (size_t i = 0; i < n; i++)
        buf_addf(&b, "%s%s:%s", i == 0 ? "" : ",", is_address(names[i]) ? "IP" : "DNS", names[i]);
    good = !b.failed && add_extension(c, NID_subject_alt_name, buf_cstr(&b));
    buf_deinit(&b);
    return good;
}

static bool add_serial(X509 *c)
{
    uint8_t raw[16];
    BIGNUM *n;
    bool good;

    random_fill(raw, sizeof(raw));
    raw[0] &= 0x7f;
    n = BN_bin2bn(raw, sizeof(raw), NULL);
    good = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(c)) != NULL;
    BN_free(n);
    return good;
}

static bool fill(X509 *c, EVP_PKEY *key, const char *const *names, size_t n_names, int days)
{
    X509_NAME *subject = X509_get_subject_name(c);

    return X509_set_version(c, X509_VERSION_3) == 1 && add_serial(c) &&
           X509_gmtime_adj(X509_getm_notBefore(c), -300) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(c), (long) days * 86400) != NULL &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *) names[0], -1, -1, 0) == 1 &&
           X509_set_issuer_name(c, subject) == 1 && X509_set_pubkey(c, key) == 1 && add_names(c, names, n_names) &&
           add_extension(c, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(c, NID_ext_key_usage, "serverAuth") && X509_sign(c, key, EVP_sha256()) > 0;
}

static bool to_pem(X509 *c, EVP_PKEY *key, struct buf *out)
{
    BIO *b = BIO_new(BIO_s_mem());
    char *p = NULL;
    long n;
    bool good = b != NULL && (c != NULL ? PEM_write_bio_X509(b, c)
                                        : PEM_write_bio_PKCS8PrivateKey(b, key, NULL, NULL, 0, NULL, NULL)) == 1;

    n = good ? BIO_get_mem_data(b, &p) : 0;
    if (n > 0)
        buf_add(out, p, (size_t) n);
    if (n > 0 && c == NULL)
        OPENSSL_cleanse(p, (size_t) n);
    BIO_free(b);
    return good && n > 0 && !out->failed;
}

enum err certificate_self_signed(const char *const *names, size_t n_names, int days, struct buf *cert_pem,
                                 struct buf *key_pem, struct err_info *reterr)
{
    CLEANUP(free_key) EVP_PKEY *key = NULL;
    CLEANUP(free_cert) X509 *c = NULL;

    if (n_names == 0 || n_names > CERTIFICATE_NAMES_MAX)
        return ERR_RAISE(reterr, ERR_INVAL, "a certificate has 1 to %d names", CERTIFICATE_NAMES_MAX);
    for (size_t i = 0; i < n_names; i++) {
        if (!is_address(names[i]) && !is_host(names[i]))
            return ERR_RAISE(reterr, ERR_INVAL, "'%s' is no host name or address", names[i]);
    }
    key = EVP_EC_gen("P-256");
    c = X509_new();
    if (key == NULL || c == NULL || !fill(c, key, names, n_names, days) || !to_pem(c, NULL, cert_pem) ||
        !to_pem(NULL, key, key_pem))
        return ERR_RAISE(reterr, ERR_CRYPTO, "OpenSSL did not make a certificate");
    return ERR_OK;
}
