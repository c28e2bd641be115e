import { t, tOr } from "../../texts";
import { Link, PageHead } from "../../ui/parts";

export function MissingPage() {
  return <><PageHead title={t("missing.title")}><p class="lead">{t("missing.text")}</p></PageHead><p><Link to="/recordings">{t("missing.home")}</Link></p></>;
}

export function ForbiddenPage() {
  return <><PageHead title={t("forbidden.title")}><p class="lead">{t("forbidden.text")}</p></PageHead><p><Link to="/recordings">{t("missing.home")}</Link></p></>;
}

/* /problems/{slug}: where the `type` of an error leads. */
export function ProblemPage({ code }: { code: string }) {
  return (
    <main id="content" class="narrow">
      <PageHead title={t("problem.title")} />
      <p class="lead">{tOr(`code.${code}`, "code.unknown")}</p>
      <p class="help">{t("problem.code", { code })}</p>
    </main>
  );
}
