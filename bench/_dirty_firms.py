"""Synthetic firms as many registers write them: the dirt of ``resolve_firms``, written without a look at the rules.

Nothing of ``cityheart`` is used, and the rules' numbers were not chosen on it. What is done to a record: codes missing or
mistyped, names with letters replaced, swapped, left out, written by another character that sounds alike, without region
or with it in brackets, with another legal form or a short one, the former name instead of the present one, addresses in
other spellings, of another office, without a number; legal persons and telephones that are missing or changed since.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

DISTRICTS = ("崇川区", "通州区", "海门区", "如东县", "启东市", "如皋市", "海安市")
FORMER = {"海门区": "海门市", "海安市": "海安县"}
TOWNS = (
    "金沙镇", "石港镇", "三星镇", "悦来镇", "掘港镇", "洋口镇", "汇龙镇", "吕四港镇", "如城街道", "白蒲镇", "城东镇",
    "李堡镇", "钟秀街道", "狼山镇街道",
    "",
)  # fmt: skip
TRADES = (
    "化工", "精细化工", "化学", "石化", "新材料", "电子材料", "树脂", "涂料", "颜料", "农化", "制药",
    "生物医药", "医疗器械", "纺织", "印染", "家纺", "服饰", "绣品", "钢丝绳", "金属制品", "机械", "机械制造",
    "精密机械", "船舶", "船舶配件", "海洋装备", "电缆", "电气", "电器", "电子", "光电", "照明", "仪表",
    "阀门", "泵业", "轴承", "模具", "铸造", "热处理", "表面处理", "电镀", "环保", "环保设备", "水处理",
    "再生资源", "物流", "货运", "运输", "仓储", "港务", "贸易", "进出口", "商贸", "建材", "建设工程",
    "市政工程", "装饰工程", "园林", "房地产", "物业", "食品", "粮油", "水产", "饲料", "农业", "种业",
    "餐饮管理", "酒店管理", "文化传媒", "广告", "教育咨询", "软件", "信息技术", "网络", "数据服务",
)  # fmt: skip
BRANDS = (
    "华盛达鑫宏源通海江东南中天润恒泰丰裕康安瑞祥和顺昌隆兴旺永福德信诚义仁智勇嘉美佳怡悦欣荣光辉明亮星辰宇宙博远志"
    "伟业创新锦绣金银铜铁玉龙凤虎豹鹏飞翔云雨雪冰川峰岭山河湖泊林森木松柏梅兰竹菊桂莲荷晨曦阳旭日月春夏秋冬百千万亿"
    "大小高长广阔深厚正方圆弘毅卓越尚品格致力行健德凯奥迪威尔斯特科赛捷迅迈腾驰"
)
SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林郑谢罗梁宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟"
    "谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉红梅建国志海波斌宇浩凯健俊帆雪琳颖慧欣怡晨阳晓东南西北春夏秋冬文武"
ROADS = (
    "人民|工农|青年|濠北|濠南|园林|世纪|通甲|钟秀|长江|黄海|江海|星湖|振兴|新开|通盛|中央|解放|建"
    "设|和平|光明|东风|红旗|胜利|前进|团结|友谊|朝阳|向阳|滨江|滨海|沿江|临港|海港|渔港|纬一|纬二"
    "|纬三|经一|经二|经三|富民|兴业|科技|创业|创新|发展|开发|工业|商贸|学府|文峰|文昌|花园|公园|"
    "桃园|杏园|梅园|兰园|竹园|菊园|幸福|平安|健康|长寿|永福|永安|永兴|永和|新华|新民|新城|新港|新"
    "河|洪江|通江|通海|通沪|通扬|通启|启海|海启|如泰|如港|海防|平海|平潮|金通|金沙|金川|金江"
)
_SOUNDS = (
    "华花化", "盛胜圣晟", "达大", "鑫欣新心", "宏洪鸿弘红", "源元原园", "通同童", "江姜", "恒衡", "丰峰锋", "瑞锐睿",
    "祥翔详", "和合禾河", "昌长", "隆龙", "兴星", "永勇咏", "德得", "信芯", "诚成城程", "嘉佳家", "美镁",
    "荣容融", "辉晖徽", "明铭名", "宇雨", "博勃", "远苑", "伟玮", "创闯", "金锦晋", "云芸", "凯铠",
    "捷杰洁", "迅讯", "腾滕",
)  # fmt: skip
ALIKE = {letter: group.replace(letter, "") for group in _SOUNDS for letter in group}
_LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"

Texts = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Dirty:
    """Records as columns, and the firm that each is of."""

    columns: dict[str, pa.Array]
    truth: npt.NDArray[np.int64]


def dirty_firms(records: int, seed: int) -> Dirty:
    """About so many records of 0.7 times as many firms."""
    rng = np.random.default_rng(seed)
    firms = max(2, int(records * 0.7))
    district = rng.integers(len(DISTRICTS), size=firms)
    code = _codes(firms, rng)
    trade = rng.choice(np.array(TRADES, dtype=object), firms)
    region = np.where(rng.random(firms) < 0.6, "南通", np.array([one[:2] for one in DISTRICTS], dtype=object)[district])
    brand = _unlike(region + trade, rng)
    form = rng.choice(np.array(["有限公司", "股份有限公司", "有限责任公司"], dtype=object), firms, p=[0.88, 0.08, 0.04])
    number = rng.integers(1, 999, firms)
    roads = np.array(
        [f"{one}{end}" for one in ROADS.split("|") for end in ("路", "中路", "东路", "大道")], dtype=object
    )
    road = rng.choice(roads, firms)
    town = rng.choice(np.array(TOWNS, dtype=object), firms)
    person = _persons(firms, rng)
    phone = (13_000_000_000 + rng.integers(0, 5_999_999_999, firms)).astype(str).astype(object)
    old = _unlike(region + trade, rng)
    number_of_old = np.array([f"3206{n:011d}" for n in rng.integers(0, 10**11, firms)], dtype=object)

    who = np.concatenate([np.arange(firms), rng.integers(firms, size=records - firms)])
    rng.shuffle(who)
    out: dict[str, list[str | None]] = {
        name: [] for name in ("name", "former", "address", "person", "phone", "uscc", "registration")
    }
    dice = rng.random((records, 14))
    for at in range(records):
        firm, d = who[at], dice[at]
        renamed = d[0] < 0.04
        name = _name(region[firm], old[firm] if renamed else brand[firm], trade[firm], form[firm], d, rng)
        out["name"].append(name)
        out["former"].append(f"{region[firm]}{old[firm]}{trade[firm]}{form[firm]}" if d[0] > 0.94 else None)
        out["address"].append(_address(district[firm], town[firm], road[firm], int(number[firm]), d, rng, roads))
        out["person"].append(None if d[5] < 0.3 else person[rng.integers(firms)] if d[5] > 0.96 else person[firm])
        out["phone"].append(None if d[6] < 0.5 else phone[rng.integers(firms)] if d[6] > 0.96 else phone[firm])
        out["uscc"].append(None if d[7] < 0.4 else _mistyped(code[firm], rng) if d[7] > 0.94 else code[firm])
        out["registration"].append(number_of_old[firm] if d[8] < 0.2 else None)
    columns = {name: pa.array(values, pa.string()) for name, values in out.items()}
    return Dirty(columns, who)


def _brands(count: int, rng: np.random.Generator) -> Texts:
    letters = np.array(list(BRANDS), dtype=object)
    drawn = letters[rng.integers(len(letters), size=(count, 4))]
    length = rng.choice([2, 3, 4], count, p=[0.45, 0.45, 0.1])
    return np.array(["".join(row[:n]) for row, n in zip(drawn, length, strict=True)], dtype=object)


def _unlike(beside: Texts, rng: np.random.Generator) -> Texts:
    """A brand for each firm; within one region and trade no two are equal, as the law on firms' names has it."""
    brand = _brands(len(beside), rng)
    for _ in range(20):
        _, back = np.unique((beside + brand).astype(str), return_inverse=True)
        order = np.argsort(back, kind="stable")
        again = order[1:][back[order[1:]] == back[order[:-1]]]
        if not len(again):
            break
        brand[again] = _brands(len(again), rng)
    return brand


def _persons(count: int, rng: np.random.Generator) -> Texts:
    first = np.array(list(SURNAMES), dtype=object)[rng.integers(len(SURNAMES), size=count)]
    given = np.array(list(GIVEN), dtype=object)[rng.integers(len(GIVEN), size=(count, 2))]
    short = rng.random(count) < 0.25
    return np.array([a + b[0] + ("" if s else b[1]) for a, b, s in zip(first, given, short, strict=True)], dtype=object)


def _codes(count: int, rng: np.random.Generator) -> Texts:
    area = np.array(["320602", "320612", "320614", "320623", "320681", "320682", "320685"])[rng.integers(7, size=count)]
    body = rng.integers(31, size=(count, 9))
    found = []
    for place in range(count):
        text = "91" + area[place] + "".join(_LETTERS[digit] for digit in body[place])
        total = sum(_LETTERS.index(letter) * pow(3, at, 31) for at, letter in enumerate(text))
        found.append(text + _LETTERS[(31 - total % 31) % 31])
    return np.array(found, dtype=object)


def _mistyped(code: str, rng: np.random.Generator) -> str:
    at = int(rng.integers(17))
    if rng.random() < 0.3:
        return code[:at] + code[at + 1] + code[at] + code[at + 2 :]
    return code[:at] + _LETTERS[int(rng.integers(31))] + code[at + 1 :]


def _name(region: str, brand: str, trade: str, form: str, d: npt.NDArray[np.float64], rng: np.random.Generator) -> str:
    if d[1] < 0.13:
        brand, trade = _letters(brand, trade, d[1], rng)
    if d[2] < 0.08:
        form = "公司"
    elif d[2] < 0.1:
        form = ""
    if d[3] < 0.1:
        name = f"{brand}{trade}{form}"
    elif d[3] < 0.16:
        name = f"{brand}{trade}({region}){form}"
    elif d[3] < 0.2:
        name = f"{region}市{brand}{trade}{form}"
    elif d[3] < 0.23:
        name = f"江苏{brand}{trade}{form}"
    else:
        name = f"{region}{brand}{trade}{form}"
    if d[4] < 0.03:
        name = name.replace(trade, f"{trade}科技")
    elif d[4] < 0.05:
        name = f"{name[:4]} {name[4:]}"
    elif d[4] < 0.07:
        name = name.replace("(", "（").replace(")", "）")
    return name


def _letters(brand: str, trade: str, draw: float, rng: np.random.Generator) -> tuple[str, str]:
    at = int(rng.integers(len(brand)))
    if draw < 0.05:
        group = ALIKE.get(brand[at])
        if group:
            return brand[:at] + group[int(rng.integers(len(group)))] + brand[at + 1 :], trade
        return brand, trade
    if draw < 0.08:
        return brand[:at] + BRANDS[int(rng.integers(len(BRANDS)))] + brand[at + 1 :], trade
    if draw < 0.1 and len(brand) > 2:
        return brand[:at] + brand[at + 1 :], trade
    if draw < 0.12:
        return brand[::-1] if len(brand) == 2 else brand[0] + brand[2] + brand[1] + brand[3:], trade
    return brand, trade[:2]


def _address(
    district: int, town: str, road: str, number: int, d: npt.NDArray[np.float64], rng: np.random.Generator, roads: Texts
) -> str | None:
    if d[9] < 0.06:
        return None
    if d[9] > 0.96:  # another office
        district, road, number = (
            int(rng.integers(len(DISTRICTS))),
            str(roads[rng.integers(len(roads))]),
            int(rng.integers(1, 999)),
        )
    area = DISTRICTS[district]
    if d[10] < 0.1:
        area = FORMER.get(area, area)
    if d[11] < 0.15:
        town = ""
    start = "江苏省南通市" if d[12] < 0.25 else "南通市" if d[12] < 0.6 else ""
    house = "" if d[13] < 0.08 else f"{number}号"
    if d[13] > 0.9:
        house = house.translate(str.maketrans("0123456789", "０１２３４５６７８９"))
    elif d[13] > 0.85:
        house += f"{int(rng.integers(1, 9))}幢"
    return f"{start}{area}{town}{road}{house}"
