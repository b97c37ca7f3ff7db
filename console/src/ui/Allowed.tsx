/** A page, or a part of it, that only some may use: whoever may not is told what is missing and who has it, and no form. */

import type { ReactNode } from "react";
import { Problem } from "../api/client";
import { useMay } from "../api/queries";
import { useRoles } from "../people/queries";
import { Failure, Loading, Panel } from "./states";

export function Allowed({ permission, children }: { permission: string; children: ReactNode }) {
  return useMay(permission) ? (
    children
  ) : (
    <Panel>
      <Missing permission={permission} />
    </Panel>
  );
}

/** The refusal that the city itself would give, without asking for what it would refuse. */
function Missing({ permission }: { permission: string }) {
  const known = useRoles();
  if (known.data === undefined)
    return known.error ? <Failure error={known.error} retry={() => void known.refetch()} /> : <Loading />;
  const { permissions, roles } = known.data;
  const needs = {
    permission,
    title: permissions.find(({ id }) => id === permission)?.title ?? permission,
    scope: "anywhere",
    roles: roles.filter(({ grants }) => Object.hasOwn(grants, permission)).map(({ title }) => title),
  };
  return <Failure error={new Problem(403, "forbidden", "", null, { needs })} />;
}
