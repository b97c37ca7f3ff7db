/** Every page that an application declares, by application. */

import { Link as Anchor } from "wouter";
import { Empty, Panel, Shown } from "../ui/states";
import { usePages } from "./queries";
import { useDeclaredWords } from "./words";
import "./declared.css";

export default function Apps() {
  const { d, say } = useDeclaredWords();
  const pages = usePages();
  return (
    <div className="page declared">
      <div>
        <h1>{d("title")}</h1>
        <p className="quiet declared-about">{d("index.about")}</p>
      </div>
      <Shown of={pages} lines={6}>
        {(all) =>
          all.length === 0 ? (
            <Panel>
              <Empty title={d("index.none")}>{d("index.noneWhy")}</Empty>
            </Panel>
          ) : (
            [...new Set(all.map(({ app }) => app))].map((app) => {
              const own = all.filter((one) => one.app === app);
              return (
                <Panel key={app} title={own[0] && say(own[0].app_title)}>
                  <ul className="declared-cards" data-testid={`app-${app}`}>
                    {own.map(({ id, title, about }) => (
                      <li key={id}>
                        <Anchor href={`/app/${encodeURIComponent(id)}`}>{say(title)}</Anchor>
                        {about && <span className="quiet">{say(about)}</span>}
                      </li>
                    ))}
                  </ul>
                </Panel>
              );
            })
          )
        }
      </Shown>
    </div>
  );
}
