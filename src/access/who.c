#include "access/who.h"

struct span who_person(const struct who *w)
{
    return w->person.n > 0 ? w->person : w->id;
}

bool who_same_person(const struct who *a, const struct who *b)
{
    return span_eq(a->id, b->id) || span_eq(who_person(a), who_person(b));
}

bool who_in_group(const struct who *w, struct span group, time_ms before)
{
    for (size_t i = 0; i < w->n_groups; i++) {
        if (span_eq(w->groups[i].name, group) && (before == 0 || w->groups[i].since < before))
            return true;
    }
    return false;
}

bool who_is(const struct who *w, struct span spec, struct span project, time_ms before)
{
    struct span kind, name;
    enum role role;

    if (!span_cut(spec, ':', &kind, &name) || name.n == 0)
        return false;
    if (span_eq_str(kind, "user"))
        return (span_eq(name, w->name) || span_eq(name, w->id)) && (before == 0 || w->since < before);
    if (span_eq_str(kind, "group"))
        return who_in_group(w, name, before);
    if (span_eq_str(kind, "role") && role_parse(name, &role))
        return (role_in(w->roles, w->n_roles, project, before) & ROLE_BIT(role)) != 0;
    return false;
}

bool who_is_any(const struct who *w, const struct span *specs, size_t n, struct span project, time_ms before)
{
    for (size_t i = 0; i < n; i++) {
        if (who_is(w, specs[i], project, before))
            return true;
    }
    return false;
}

bool who_is_subject(const struct who *w, struct span subject)
{
    for (size_t i = 0; subject.n > 0 && i < w->n_subjects; i++) {
        if (span_eq(w->subjects[i], subject))
            return true;
    }
    return false;
}

bool who_may_be_subject(const struct who *w, struct span subject)
{
    return subject.n > 0 && (who_is_subject(w, subject) || span_eq(subject, w->id) || span_eq(subject, w->name) ||
                             span_eq(subject, who_person(w)));
}

bool who_spec_valid(struct span spec)
{
    struct span kind, name;
    enum role role;

    if (!span_cut(spec, ':', &kind, &name) || name.n == 0)
        return false;
    if (span_eq_str(kind, "role"))
        return role_parse(name, &role);
    return span_eq_str(kind, "user") || span_eq_str(kind, "group");
}
